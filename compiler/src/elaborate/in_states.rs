//! Weights of synapses in devices with states of their own: pulses drive these, between pulses they relax, and the conductance is the weight.

use nmc_grammar::ast::Expr as Ast;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::Elaborator;
use super::hardware::Stateful;
use super::in_cells::{counted, less, minus, named, select};
use crate::algebra::{add, call, constant, linear, mentions, multiply, phi1, substitute};
use crate::analyse::evaluate::evaluate;
use crate::forms::chip::{PulseEnergy, VOLTS};
use crate::forms::equations::{Change, Dynamics, Expr, Function, State, Symbol};
use crate::forms::network::{Driven, InCells};
use crate::quantity::Dimension;

/// Parts into which pulses are cut for what is known before a run.
const FINE: usize = 2048;
/// The most that a kernel is made of.
const MOST_PARTS: usize = 128;
/// What the parts of a kernel may be wrong, of the range of conductances: for one pulse, and for as many as one event asks for at most.
const TOLERANCES: [f64; 2] = [1e-6, 1e-3];
/// Where conductances of single states are solved for by Simpson's rule: enough for the joules of a pulse.
const EXACT_PARTS: usize = 8;

/// A device in the middle of its spread, by its own states and [`VOLTS`].
struct Typical {
    derivatives: Vec<Option<Expr>>,
    bounds: Vec<Option<(f64, f64)>>,
    conductance: Expr,
}

impl Typical {
    fn siemens(&self, states: &[f64]) -> f64 {
        evaluate(&self.conductance, &[], states)
    }

    /// What a voltage makes of states: by formulas, or in so many parts, each a step of Runge-Kutta.
    fn after(&self, mut states: Vec<f64>, (volts, seconds): (f64, f64), parts: usize) -> Vec<f64> {
        let h = seconds / parts as f64;
        if self.is_alone() {
            let before = states.clone();
            for (index, derivative) in self.derivatives.iter().enumerate() {
                let split = derivative.as_ref().and_then(|derivative| linear(derivative, Symbol::State(index)));
                let Some((slope, drive)) = split else { continue };
                let [slope, drive] = [slope, drive].map(|of| evaluate(&of, &[0.0, 0.0, 0.0, 0.0, volts], &before));
                states[index] += (slope * before[index] + drive) * seconds * phi1(slope * seconds);
                self.keep_within(index, &mut states[index]);
            }
            return states;
        }
        let slopes = |states: &[f64]| -> Vec<f64> {
            let at = |slope: &Expr| evaluate(slope, &[0.0, 0.0, 0.0, 0.0, volts], states);
            self.derivatives.iter().map(|slope| slope.as_ref().map_or(0.0, at)).collect()
        };
        let moved = |states: &[f64], slopes: &[f64], h: f64| -> Vec<f64> {
            states.iter().zip(slopes).map(|(state, slope)| state + h * slope).collect()
        };
        for _ in 0..parts {
            let a = slopes(&states);
            let b = slopes(&moved(&states, &a, h / 2.0));
            let c = slopes(&moved(&states, &b, h / 2.0));
            let d = slopes(&moved(&states, &c, h));
            for (index, state) in states.iter_mut().enumerate() {
                *state += h / 6.0 * (a[index] + 2.0 * b[index] + 2.0 * c[index] + d[index]);
                self.keep_within(index, state);
            }
        }
        states
    }

    fn keep_within(&self, index: usize, state: &mut f64) {
        if let Some((low, high)) = self.bounds[index] {
            *state = state.max(low).min(high);
        }
    }

    /// Whether under a voltage each state is linear in itself, and follows from no other that moves: then its course is a formula.
    fn is_alone(&self) -> bool {
        let moves = |symbol: Symbol| matches!(symbol, Symbol::State(k) if self.derivatives[k].is_some());
        self.derivatives.iter().enumerate().all(|(index, derivative)| {
            let Some(derivative) = derivative else { return true };
            let parts = linear(derivative, Symbol::State(index));
            parts.is_some_and(|(slope, drive)| !mentions(&slope, &moves) && !mentions(&drive, &moves))
        })
    }

    /// Into how few parts pulses can be cut, from all of these states, by voltages, times and what may be wrong.
    fn parts(&self, starts: &[Vec<f64>], drives: &[(f64, f64, f64)], range: f64) -> Option<usize> {
        let cases = || starts.iter().flat_map(|start| drives.iter().map(move |drive| (start, *drive)));
        let after = |start: &[f64], volts: f64, seconds: f64, parts: usize| {
            self.siemens(&self.after(start.to_vec(), (volts, seconds), parts))
        };
        let known: Vec<f64> = cases().map(|(start, (volts, seconds, _))| after(start, volts, seconds, FINE)).collect();
        let errs = |parts: usize| {
            cases().zip(&known).any(|((start, (volts, seconds, allowed)), known)| {
                let found = after(start, volts, seconds, parts);
                let off = (found - known).abs();
                off.is_nan() || off > allowed * range
            })
        };
        let candidates = std::iter::successors(Some(4), |parts| Some(2 * parts));
        candidates.take_while(|parts| *parts <= MOST_PARTS).find(|parts| !errs(*parts))
    }
}

/// What a device does as a cell.
struct Reach {
    name: String,
    /// Over its own states and [`VOLTS`].
    conductance: Expr,
    /// The states that it reads and that move.
    read: Vec<usize>,
    /// The lowest and the highest conductance.
    ends: (f64, f64),
    /// Volts of a pulse that raises it and of one that lowers it, and by how many siemens either does so in the middle of the range.
    volts: (f64, f64),
    steps: (f64, f64),
    alone: bool,
    parts: usize,
}

impl Reach {
    /// Or what is wrong with it, and what would help.
    fn of(device: &Stateful) -> Result<Reach, (String, String)> {
        let Stateful { dynamics: own, volts, seconds, .. } = device;
        let (name, states) = (own.name.clone(), own.states.len());
        let wrong = |message: String, help: &str| Err((message, String::from(help)));
        let across = |expr: &Expr| substitute(expr, &|symbol| (symbol == Symbol::Input(0)).then_some(volts_across()));
        let given = own.outputs.iter().find(|(output, _)| output == "conductance");
        let conductance = given.map_or(Expr::Number(0.0), |(_, output)| across(output));
        if mentions(&conductance, &|symbol| !matches!(symbol, Symbol::State(_))) {
            let message = format!("the conductance of `{name}` follows from more than its states");
            return wrong(message, "a weight is what the cell holds: let `conductance` read states only");
        }
        let mut typical: Vec<f64> = Vec::new();
        for state in &own.states {
            typical.push(evaluate(&state.initial, &[], &typical));
        }
        let number = |(low, high): &(Expr, Expr)| (evaluate(low, &[], &typical), evaluate(high, &[], &typical));
        let bounds = own.states.iter().map(|state| state.bounds.as_ref().map(number)).collect();
        let derivatives = own.states.iter().map(|state| state.derivative.as_ref().map(across)).collect();
        let model = Typical { derivatives, bounds, conductance: conductance.clone() };
        let reads = |index: &usize| {
            let moves = model.derivatives[*index].is_some();
            moves && mentions(&conductance, &|symbol| symbol == Symbol::State(*index))
        };
        let read: Vec<usize> = (0..states).filter(reads).collect();
        if let Some(&unbound) = read.iter().find(|index| model.bounds[**index].is_none()) {
            let state = &own.states[unbound].name;
            let message = format!("nothing says which conductances `{name}` may have");
            return wrong(message, &format!("give the states that `conductance` reads bounds: `{state} in 0..1`"));
        }
        let at = |share: &dyn Fn(usize) -> f64| {
            let mut states = typical.clone();
            for (place, &index) in read.iter().enumerate() {
                let (low, high) = model.bounds[index].unwrap_or_default();
                states[index] = low + share(place) * (high - low);
            }
            states
        };
        let corners = (0..1_usize << read.len().min(10)).map(|corner| at(&|place| (corner >> place & 1) as f64));
        let mut corners: Vec<Vec<f64>> = corners.collect();
        corners.sort_by(|a, b| model.siemens(a).total_cmp(&model.siemens(b)));
        let (least, most, middle) = (corners[0].clone(), corners[corners.len() - 1].clone(), at(&|_| 0.5));
        let ends = (model.siemens(&least), model.siemens(&most));
        let range = ends.1 - ends.0;
        if !(range > 0.0 && ends.0 >= 0.0 && ends.1.is_finite()) {
            let message = format!("the conductance of `{name}` does not change with its states");
            return wrong(message, "let `conductance` follow from a state that the voltage moves");
        }
        let step = |volts: f64| {
            let after = model.after(middle.clone(), (volts, *seconds), FINE);
            model.siemens(&after) - model.siemens(&middle)
        };
        let both = [(*volts, step(*volts)), (-volts, step(-volts))];
        let [(up, rises), (down, falls)] = if both[0].1 >= both[1].1 { both } else { [both[1], both[0]] };
        if rises.is_nan() || rises <= 1e-9 * range {
            let message = format!("a pulse does not move `{name}` in the middle of its range");
            let help = "longer or higher ones may: `pulse_voltage`, `programming: one_shot(pulse_time: 1 ms)`";
            return wrong(message, help);
        }
        let steps = (rises, (-falls).max(0.0));
        // What one event may ask for at most.
        let [one, many] = TOLERANCES;
        let drives = [(up, steps.0), (down, steps.1)].into_iter().flat_map(|(volts, step)| {
            let most = if step > 0.0 { (range / step).ceil() } else { 1.0 };
            [(volts, *seconds, one), (volts, most * seconds, many)]
        });
        let alone = model.is_alone();
        let parts = match alone {
            true => Some(EXACT_PARTS),
            false => model.parts(&[least, middle, most], &drives.collect::<Vec<_>>(), range),
        };
        let Some(parts) = parts else {
            let message = format!("pulses move `{name}` too far to be followed");
            return wrong(message, "shorter or lower ones do less: `programming: one_shot(pulse_time: …)`");
        };
        Ok(Reach { name, conductance, read, ends, volts: (up, down), steps, alone, parts })
    }
}

impl Elaborator<'_> {
    /// The weights between `low` and `high` of a connection in cells of such a device.
    pub fn in_states(
        &mut self,
        ast: &Ast,
        device: Stateful,
        weight: &mut Expr,
        (low, high): (f64, f64),
        dynamics: &mut Dynamics,
    ) -> Option<InCells> {
        let mut tell = |message: String, help: &str| {
            let wrong = Diagnostic::new(Code::E0463, message, ast.span, "these cells");
            self.closer.diagnostics.push(wrong.with_help(help));
            None
        };
        let Reach { name, conductance, read, ends: (g_min, g_max), volts, steps, alone, parts } =
            match Reach::of(&device) {
                Ok(reach) => reach,
                Err((message, help)) => return tell(message, &help),
            };
        let own = &device.dynamics;
        let per = (high - low) / (g_max - g_min);
        let (up, down) = (steps.0 * per, if steps.1 > 0.0 { steps.1 * per } else { f64::INFINITY });
        let fails = device.stuck.0 + device.stuck.1 > 0.0;
        let first = dynamics.states.len();
        let mut keep = |name: String, dimension: Dimension, initial: Expr| dynamics.keep(name, dimension, initial);
        let asked = keep(String::from("cell.asked"), Dimension::NONE, weight.clone());
        let drawn = || call(Function::Uniform, vec![Expr::Number(0.0), Expr::Number(1.0)]);
        let luck = fails.then(|| keep(String::from("cell.luck"), Dimension::NONE, drawn()));
        let start = first + 1 + usize::from(fails);
        let here = |expr: &Expr| {
            substitute(expr, &|symbol| match symbol == Symbol::Input(0) {
                true => Some(volts_across()),
                false => {
                    if let Symbol::State(index) = symbol {
                        Some(named(start + index))
                    } else {
                        None
                    }
                }
            })
        };
        let siemens = minus(named(asked), Expr::Number(low));
        let siemens = add(Expr::Number(g_min), multiply(siemens, Expr::Number(1.0 / per)));
        let Some((from_asked, written)) =
            read.iter().find_map(|&index| Some((index, holding(&conductance, index, &siemens, &here)?)))
        else {
            let message = format!("nothing says which states of `{name}` a weight is at the start");
            return tell(message, "let `conductance`, or one over it, follow a state along a line");
        };
        for (index, state) in own.states.iter().enumerate() {
            let at_rest = |expr: &Expr| {
                let rest = substitute(&here(expr), &|symbol| (symbol == VOLTS).then_some(Expr::Number(0.0)));
                (constant(&rest) != Some(0.0)).then_some(rest)
            };
            let bounds = state.bounds.as_ref().map(|(low, high)| (here(low), here(high)));
            let initial = match (index == from_asked, &bounds) {
                (true, Some((low, high))) => {
                    let above = call(Function::Maximum, vec![written.clone(), low.clone()]);
                    call(Function::Minimum, vec![above, high.clone()])
                }
                (_, _) => here(&state.initial),
            };
            dynamics.states.push(State {
                name: format!("cell_{}", state.name),
                dimension: state.dimension,
                initial,
                derivative: state.derivative.as_ref().and_then(at_rest),
                noise: state.noise.as_ref().and_then(at_rest),
                bounds,
            });
        }
        let before = (first, dynamics.states.len());
        let held = minus(here(&conductance), Expr::Number(g_min));
        let mut of_states = add(Expr::Number(low), multiply(held, Expr::Number(per)));
        if let Some(luck) = luck {
            let (on, off) = device.stuck;
            let or_low = select(less(named(luck), Expr::Number(on + off)), Expr::Number(low), of_states);
            of_states = select(less(named(luck), Expr::Number(on)), Expr::Number(high), or_low);
        }
        let due = dynamics.keep(String::from("cell.due"), Dimension::NONE, Expr::Number(0.0));
        let pulses = dynamics.keep(String::from("pulses"), Dimension::NONE, Expr::Number(0.0));
        let joules = match device.energy {
            PulseEnergy::Said | PulseEnergy::Unknown => None,
            PulseEnergy::Across { .. } => {
                let state = dynamics.keep(String::from("cell.joules"), Dimension::NONE, Expr::Number(0.0));
                Some((state, multiply(here(&conductance), multiply(volts_across(), volts_across()))))
            }
        };
        let energy = joules.as_ref().map_or((pulses, device.each), |(state, _)| (*state, 1.0));
        let regular = dynamics.regular.iter_mut().map(|regular| &mut regular.changes);
        for changes in [&mut dynamics.on_pre, &mut dynamics.on_post].into_iter().chain(regular) {
            let pulsed = |change: Change| {
                if change.target != Symbol::Weight {
                    return vec![change];
                }
                let moved = Change { target: Symbol::Weight, value: of_states.clone() };
                counted(change.value, (due, pulses), (up, down)).into_iter().chain([moved]).collect()
            };
            *changes = changes.drain(..).flat_map(pulsed).collect();
        }
        *weight = of_states.clone();
        let driven = Driven {
            derivatives: own.states.iter().map(|state| state.derivative.as_ref().map(here)).collect(),
            noise: own.states.iter().map(|state| state.noise.as_ref().map(here)).collect(),
            first: start,
            method: own.method,
            volts,
            seconds: device.seconds,
            due,
            joules,
            weight: of_states,
            alone,
            parts,
        };
        Some(InCells { before, first, pulses, energy: Some(energy), ages: false, driven: Some(driven) })
    }
}

fn volts_across() -> Expr {
    Expr::Symbol(VOLTS)
}

/// What a state is where a conductance, linear in it or one over what is linear in it, is so many siemens.
fn holding(conductance: &Expr, index: usize, siemens: &Expr, here: &dyn Fn(&Expr) -> Expr) -> Option<Expr> {
    let symbol = Symbol::State(index);
    let divide = |a: Expr, b: Expr| call(Function::Divide, vec![a, b]);
    let (along, wanted) = match conductance {
        Expr::Call(Function::Divide, args) if mentions(&args[1], &|other| other == symbol) => {
            let free = !mentions(&args[0], &|other| other == symbol);
            (&args[1], free.then(|| divide(here(&args[0]), siemens.clone()))?)
        }
        whole => (whole, siemens.clone()),
    };
    let (slope, rest) = linear(along, symbol)?;
    (slope != Expr::Number(0.0)).then(|| divide(minus(wanted, here(&rest)), here(&slope)))
}
