//! Weights of synapses in cells of a device: what a rule adds to them becomes pulses.

use nmc_grammar::ast::Expr as Ast;
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::Elaborator;
use crate::algebra::{add, call, constant, multiply, substitute};
use crate::analyse::evaluate::evaluate;
use crate::forms::chip::{ASKED, Device, PROGRAMMED, Pulse, PulseEnergy, VOLTS};
use crate::forms::equations::{Change, Dynamics, Expr, Function, State, Symbol};
use crate::forms::network::InCells;
use crate::quantity::Dimension;

/// The states of a connection that cells need, and what a weight is worth in them.
struct Cells<'d> {
    device: &'d Device,
    pulse: &'d Pulse,
    /// Weights at the lowest and at the highest conductance.
    low: f64,
    high: f64,
    /// Which cells are stuck, if some may be; the first of the numbers that are a cell's own; the pulses that are due, all there were, and what
    /// these took, where voltage and width say it.
    luck: Option<usize>,
    own: usize,
    due: usize,
    pulses: usize,
    joules: Option<usize>,
    /// What a pulse is taken to change when their number is asked for: a cell in the middle of its range, in weights.
    up: f64,
    down: f64,
}

impl Elaborator<'_> {
    /// Puts the weights of a connection, between the bounds that its rule gives them, over the whole range of a device's cells.
    pub fn in_cells(&mut self, ast: &Ast, weight: &mut Expr, data: bool, dynamics: &mut Dynamics) -> Option<InCells> {
        let stateful = self.stateful(ast)?;
        let mut tell = |message: String, help: &str| {
            let wrong = Diagnostic::new(Code::E0463, message, ast.span, "these cells");
            self.closer.diagnostics.push(wrong.with_help(help));
            None
        };
        if data {
            return tell(String::from("weights from data are in no cells so far"), "give the weight as an expression");
        }
        if dynamics.weight_derivative.is_some() {
            let message = format!("`{}` moves weights all the time, and pulses do not", dynamics.name);
            return tell(message, "let events change them: `on pre`, `on post`, `every 10 ms`");
        }
        if dynamics.rewires().next().is_some() {
            let message = format!("`{}` rewires, and synapses in cells stay where they are", dynamics.name);
            return tell(message, "leave `rewire` out of the rule, or `cells` out of the connection");
        }
        let bounds = dynamics.weight_bounds.as_ref().and_then(|(low, high)| constant(low).zip(constant(high)));
        let Some((low, high)) = bounds.filter(|(low, high)| low < high) else {
            let message = String::from("nothing says which weights the lowest and the highest conductance are");
            return tell(message, "give the rule bounds that are numbers: `w in 0..w_max`");
        };
        match stateful {
            Some(device) => self.in_states(ast, device, weight, (low, high), dynamics),
            None => self.in_range(ast, weight, (low, high), dynamics),
        }
    }

    /// The same, of a device that is all its conductance.
    fn in_range(
        &mut self,
        ast: &Ast,
        weight: &mut Expr,
        (low, high): (f64, f64),
        dynamics: &mut Dynamics,
    ) -> Option<InCells> {
        let device = self.device(ast)?;
        let mut tell = |message: String, help: &str| {
            let wrong = Diagnostic::new(Code::E0463, message, ast.span, "these cells");
            self.closer.diagnostics.push(wrong.with_help(help));
            None
        };
        let name = &device.name;
        let Some(pulse) = device.pulse.as_ref().map(Pulse::whole) else {
            let message = format!("pulses do nothing to `{name}`");
            return tell(message, "say what one adds and takes: `potentiation: 0.1 uS`, `depression: 0.1 uS`");
        };
        let per = (high - low) / (device.g_max - device.g_min);
        let middle = (device.g_min + device.g_max) / 2.0;
        let own: Vec<f64> = pulse.own.iter().map(|own| evaluate(own, &[middle], &[])).collect();
        let at_middle = |expr: &Expr| evaluate(expr, &[middle], &own) * per;
        let (up, down) = (at_middle(&pulse.up), pulse.down.as_ref().map(at_middle));
        if !(up > 0.0 && up.is_finite() && down.is_none_or(|down| down > 0.0 && down.is_finite())) {
            let message = format!("a pulse does not move `{name}` in the middle of its range");
            return tell(message, "`potentiation` and `depression` are above 0 there");
        }
        let first = dynamics.states.len();
        let mut state = |name: &str, dimension: Dimension, initial: Expr| {
            let (name, derivative, noise, bounds) = (String::from(name), None, None, None);
            dynamics.states.push(State { name, dimension, initial, derivative, noise, bounds });
            dynamics.states.len() - 1
        };
        let number = Expr::Number;
        let asked = state("cell.asked", Dimension::NONE, weight.clone());
        let fails = device.stuck_on + device.stuck_off > 0.0;
        let uniform = || call(Function::Uniform, vec![number(0.0), number(1.0)]);
        let luck = fails.then(|| state("cell.luck", Dimension::NONE, uniform()));
        let mut before = (first, first);
        let own = first + 1 + usize::from(fails);
        for drawn in &pulse.own {
            state("cell.own", Dimension::NONE, drawn.clone());
        }
        before.1 = own;
        let due = state("cell.due", Dimension::NONE, number(0.0));
        let pulses = state("pulses", Dimension::NONE, number(0.0));
        let energy = match device.pulse_energy {
            PulseEnergy::Said => Some((pulses, pulse.energy)),
            PulseEnergy::Across { .. } => Some((state("cell.joules", Dimension::NONE, number(0.0)), 1.0)),
            PulseEnergy::Unknown => None,
        };
        let down = down.unwrap_or(f64::INFINITY);
        let joules = energy.map(|(state, _)| state).filter(|state| *state != pulses);
        let cells = Cells { device: &device, pulse: &pulse, low, high, luck, own, due, pulses, joules, up, down };
        *weight = cells.written(asked);
        let regular = dynamics.regular.iter_mut().map(|regular| &mut regular.changes);
        for changes in [&mut dynamics.on_pre, &mut dynamics.on_post].into_iter().chain(regular) {
            *changes = changes.drain(..).flat_map(|change| cells.pulsed(change)).collect();
        }
        let noisy = device.read_sigma.is_some()
            || device.read_error.is_some()
            || !device.traps.is_empty()
            || device.flicker.is_some();
        let ages = device.drift.is_some() || noisy;
        Some(InCells { before, first, pulses, energy, ages, driven: None })
    }
}

pub fn named(state: usize) -> Expr {
    Expr::Symbol(Symbol::State(state))
}

pub fn less(a: Expr, b: Expr) -> Expr {
    call(Function::Less, vec![a, b])
}

pub fn select(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    call(Function::Select, vec![condition, then, otherwise])
}

pub fn minus(a: Expr, b: Expr) -> Expr {
    call(Function::Subtract, vec![a, b])
}

/// How many pulses a change of the weight asks for, in the states of those that are due and of all there were: so many as would make it in the middle
/// of the range, what is left of one by chance. `up` and `down` are what one changes there.
pub fn counted(wanted: Expr, (due, pulses): (usize, usize), (up, down): (f64, f64)) -> [Change; 3] {
    let number = Expr::Number;
    let to = |state: usize, value: Expr| Change { target: Symbol::State(state), value };
    let change = minus(wanted, Expr::Symbol(Symbol::Weight));
    let steps = select(less(number(0.0), named(due)), number(1.0 / up), number(1.0 / down));
    let uniform = call(Function::Uniform, vec![number(0.0), number(1.0)]);
    let many = call(Function::Absolute, vec![named(due)]);
    [
        to(due, change),
        to(due, call(Function::Floor, vec![add(multiply(named(due), steps), uniform)])),
        to(pulses, add(named(pulses), many)),
    ]
}

impl Cells<'_> {
    /// Weights a siemens.
    fn per(&self) -> f64 {
        (self.high - self.low) / (self.device.g_max - self.device.g_min)
    }

    /// An expression of the device where a cell holds so many siemens.
    fn at(&self, expr: &Expr, siemens: &Expr, step: Option<&Expr>) -> Expr {
        substitute(expr, &|symbol| match symbol {
            Symbol::Input(0) | PROGRAMMED | ASKED => Some(siemens.clone()),
            Symbol::Input(1) => step.cloned(),
            Symbol::State(own) => Some(named(self.own + own)),
            Symbol::Time => Some(Expr::Number(0.0)),
            Symbol::Input(_)
            | Symbol::Weight
            | Symbol::Pre(_)
            | Symbol::Post(_)
            | Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Index
            | Symbol::TimeStep
            | Symbol::Noise => None,
        })
    }

    /// What a cell holds at first, of the weight asked for: rounded to levels, with what programming leaves; or where it is stuck.
    fn written(&self, asked: usize) -> Expr {
        let Device { g_min, g_max, levels, .. } = *self.device;
        let number = Expr::Number;
        let clamp = |expr: Expr, low: f64, high: f64| {
            call(Function::Minimum, vec![call(Function::Maximum, vec![expr, number(low)]), number(high)])
        };
        let mut share = multiply(
            minus(clamp(named(asked), self.low, self.high), number(self.low)),
            number(1.0 / (self.high - self.low)),
        );
        if let Some(steps) = levels.filter(|levels| *levels > 1).map(|levels| f64::from(levels - 1)) {
            share = multiply(call(Function::Round, vec![multiply(share, number(steps))]), number(1.0 / steps));
        }
        let mut held = add(number(g_min), multiply(share, number(g_max - g_min)));
        if let Some(sigma) = &self.device.programming_sigma {
            let sigma = self.at(sigma, &held, None);
            held = clamp(add(held, call(Function::Normal, vec![number(0.0), sigma])), g_min, g_max);
        }
        let weight = add(number(self.low), multiply(minus(held, number(g_min)), number(self.per())));
        let Some(luck) = self.luck else { return weight };
        let (on, off) = (self.device.stuck_on, self.device.stuck_off);
        let or_low = select(less(named(luck), number(on + off)), number(self.low), weight);
        select(less(named(luck), number(on)), number(self.high), or_low)
    }

    /// A change of the weight as pulses. All of one change are as large as the first.
    fn pulsed(&self, change: Change) -> Vec<Change> {
        if change.target != Symbol::Weight {
            return vec![change];
        }
        let number = Expr::Number;
        let (weight, due) = (Expr::Symbol(Symbol::Weight), named(self.due));
        let to = |state: usize, value: Expr| Change { target: Symbol::State(state), value };
        let rises = || less(number(0.0), due.clone());
        let many = call(Function::Absolute, vec![due.clone()]);
        let siemens =
            add(number(self.device.g_min), multiply(minus(weight.clone(), number(self.low)), number(1.0 / self.per())));
        let taken = self
            .joules
            .zip(self.across(&rises(), &siemens))
            .map(|(joules, each)| to(joules, add(named(joules), multiply(many.clone(), each))));
        let up = self.at(&self.pulse.up, &siemens, None);
        let down = self.pulse.down.as_ref().map_or(number(0.0), |down| self.at(down, &siemens, None));
        let step = select(rises(), up, call(Function::Negate, vec![down]));
        let mut moved = multiply(many.clone(), step.clone());
        if let Some(sigma) = &self.pulse.sigma {
            let sigma = self.at(sigma, &siemens, Some(&call(Function::Absolute, vec![step])));
            let spread = multiply(call(Function::SquareRoot, vec![many]), sigma);
            moved = add(moved, call(Function::Normal, vec![number(0.0), spread]));
        }
        let after = add(weight.clone(), multiply(moved, number(self.per())));
        let stuck = self.device.stuck_on + self.device.stuck_off;
        let value = match self.luck {
            Some(luck) => select(less(named(luck), number(stuck)), weight, after),
            None => after,
        };
        let counted = counted(change.value, (self.due, self.pulses), (self.up, self.down));
        counted.into_iter().chain(taken).chain([Change { target: Symbol::Weight, value }]).collect()
    }

    /// Joules of a pulse of known voltage and width across a cell that conducts so much.
    fn across(&self, rises: &Expr, siemens: &Expr) -> Option<Expr> {
        let PulseEnergy::Across { volts, seconds } = self.device.pulse_energy else { return None };
        let Some(current) = &self.device.current else {
            return Some(multiply(siemens.clone(), Expr::Number(volts * volts * seconds)));
        };
        let volts = select(rises.clone(), Expr::Number(volts), Expr::Number(-volts));
        let amperes = substitute(current, &|symbol| match symbol == VOLTS {
            true => Some(volts.clone()),
            false => (symbol == Symbol::Input(0)).then(|| siemens.clone()),
        });
        Some(multiply(multiply(amperes, volts.clone()), Expr::Number(seconds)))
    }
}
