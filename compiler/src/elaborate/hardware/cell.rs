//! Memory cells that hold weights: their range, levels, noise, drift, faults and programming.

use nmc_grammar::ast::{Arg, AssignOp, Block, Expr as Ast, ExprKind, StmtKind};
use nmc_grammar::codes::Code;

use super::super::term::{Scope, Term, is_random};
use super::{AREA, ENERGY, Elaborator, Fields, fields_of, is_ideal};
use crate::algebra::mentions;
use crate::forms::chip::{ASKED, Device, Flicker, PROGRAMMED, Programming, Pulse, PulseEnergy, Trap, VOLTS, Way};
use crate::forms::equations::{Expr, Symbol};
use crate::quantity::Dimension;
use crate::typing::walk::{all, within};

impl Elaborator<'_> {
    pub(super) fn cell_fields(&mut self, block: &Block) -> Option<Device> {
        let fields = fields_of(block);
        let ExprKind::Range(low, high) = &fields.get("conductance")?.kind else { return None };
        let names = self.names.clone();
        let ends = self.closer.range(&names, self.file, (low, high), Dimension::CONDUCTANCE)?;
        let (g_min, g_max) = (self.closer.known(&ends.0, low)?, self.closer.known(&ends.1, high)?);
        let levels = match fields.get("levels") {
            Some(ast) if !is_ideal(ast) => Some(self.count(ast, 2.0)? as u32),
            _ => None,
        };
        let outer = self.cell_names(block, (g_min, g_max));
        let Faults { stuck_on, stuck_off, dead_row, dead_column } = self.faults(&fields)?;
        let (mut programming, said) = self.programming(&fields)?;
        let pulse_voltage = self.number(&fields, "pulse_voltage", Dimension::VOLTAGE, 0.0)?;
        // Where one of both is said, it is that of all pulses.
        let energy = self.number(&fields, "pulse_energy", ENERGY, programming.energy)?;
        let pulse_energy = match (said || fields.contains_key("pulse_energy"), programming.time) {
            (true, _) => PulseEnergy::Said,
            (false, seconds) if pulse_voltage > 0.0 && seconds > 0.0 => {
                PulseEnergy::Across { volts: pulse_voltage, seconds }
            }
            (false, _) => PulseEnergy::Unknown,
        };
        if !said {
            programming.energy = energy;
        }
        let pulse = self.pulse(&fields, block, (energy, pulse_voltage))?;
        let (read_sigma, read_error) = match fields.get("noise read") {
            Some(ast) if !is_normal(ast) => (None, Some(self.read_error(ast)?)),
            _ => (self.sigma(&fields, "noise read")?, None),
        };
        let device = Device {
            name: block.name.text.clone(),
            g_min,
            g_max,
            levels,
            programming_sigma: self.sigma(&fields, "noise programming")?,
            read_sigma,
            read_error,
            traps: self.traps(&fields)?,
            flicker: self.flicker(&fields)?,
            drift: self.drift(&fields)?,
            current: self.current(&fields)?,
            pulse,
            stuck_on,
            stuck_off,
            dead_row,
            dead_column,
            leak: self.number(&fields, "leak", Dimension::TIME, 0.0)?,
            programming,
            pulse_energy,
            area: self.number(&fields, "cell_area", AREA, 0.0)?,
        };
        self.names = outer;
        Some(device)
    }

    /// Adds what expressions of a cell know: `g`, `range`, the time since programming and the cell's own aliases. Gives back the names before.
    fn cell_names(&mut self, block: &Block, (g_min, g_max): (f64, f64)) -> Scope {
        let mut scope = self.names.clone();
        let siemens = |expr| Term { expr, dimension: Dimension::CONDUCTANCE };
        scope.names.insert(String::from("g"), siemens(Expr::Symbol(Symbol::Input(0))));
        for (name, symbol) in [("programmed", PROGRAMMED), ("asked", ASKED)] {
            scope.names.insert(String::from(name), siemens(Expr::Symbol(symbol)));
        }
        for (name, value) in [("range", g_max - g_min), ("g_min", g_min), ("g_max", g_max)] {
            scope.names.insert(String::from(name), siemens(Expr::Number(value)));
        }
        let volts = Term { expr: Expr::Symbol(VOLTS), dimension: Dimension::VOLTAGE };
        scope.names.insert(String::from("v"), volts);
        scope.names.insert(String::from("t"), Term { expr: Expr::Symbol(Symbol::Time), dimension: Dimension::TIME });
        for stmt in &block.body {
            if let StmtKind::Assign { target, op: AssignOp::Set, value } = &stmt.kind
                && let ExprKind::Name(name) = &target.kind
                && let Some(term) = self.closer.close(&scope, self.file, value)
            {
                scope.names.insert(name.clone(), term);
            }
        }
        std::mem::replace(&mut self.names, scope)
    }

    /// An expression of the conductance of a cell.
    fn cell_expression(&mut self, ast: &Ast) -> Option<Expr> {
        let names = self.names.clone();
        let expr = self.closer.close_as(&names, self.file, ast, Dimension::CONDUCTANCE)?.expr;
        if mentions(&expr, &|symbol| symbol == VOLTS) {
            let message = "the voltage across a cell is known to its `current` and to what pulses do";
            self.error(Code::E0503, message, ast.span, "`v` has no meaning here");
            return None;
        }
        Some(expr)
    }

    /// What a pulse does: it may follow from its voltage, which is then known.
    fn pulse_expression(&mut self, ast: &Ast, volts: f64) -> Option<Expr> {
        let names = self.names.clone();
        let expr = self.closer.close_as(&names, self.file, ast, Dimension::CONDUCTANCE)?.expr;
        if volts == 0.0 && mentions(&expr, &|symbol| symbol == VOLTS) {
            let label = "`v` is that of a pulse: say `pulse_voltage: 2 V`";
            self.error(Code::E0503, "the voltage of a pulse is not known", ast.span, label);
            return None;
        }
        Some(expr)
    }

    /// The spread of `normal(0, …)`.
    fn sigma(&mut self, fields: &Fields, key: &str) -> Option<Option<Expr>> {
        let Some(ast) = fields.get(key) else { return Some(None) };
        self.cell_expression(spread_of(ast)?).map(Some)
    }

    fn traps(&mut self, fields: &Fields) -> Option<Vec<Trap>> {
        let Some(ast) = fields.get("noise telegraph") else { return Some(Vec::new()) };
        let one = |this: &mut Self, item: &Ast| {
            let ExprKind::Call(_, args) = &item.kind else { return None };
            let names = this.names.clone();
            let mut number = |place: usize, name: &str, dimension: Dimension| {
                let is = |(at, arg): (usize, &Arg)| arg.name.as_ref().map_or(at == place, |given| given.text == name);
                let (_, arg) = args.iter().enumerate().find(|(at, arg)| is((*at, arg)))?;
                let term = this.closer.close_as(&names, this.file, &arg.value, dimension)?;
                if dimension == Dimension::TIME && term.value() == Some(0.0) {
                    this.error(
                        Code::E0503,
                        "a trap is filled and emptied in some time",
                        arg.value.span,
                        "more than 0 is needed",
                    );
                    return None;
                }
                Some(term.expr)
            };
            Some(Trap {
                amplitude: number(0, "amplitude", Dimension::CONDUCTANCE)?,
                capture: number(1, "capture", Dimension::TIME)?,
                emission: number(2, "emission", Dimension::TIME)?,
            })
        };
        all(ast).iter().map(|item| one(self, item)).collect()
    }

    fn flicker(&mut self, fields: &Fields) -> Option<Option<Flicker>> {
        let Some(ast) = fields.get("noise flicker") else { return Some(None) };
        let [one] = all(ast) else {
            self.error(Code::E0503, "one noise of a 1/f spectrum is enough", ast.span, "give one `flicker(…)`");
            return None;
        };
        let ExprKind::Call(_, args) = &one.kind else { return None };
        let of = |place: usize, name: &str| {
            let is = |(at, arg): &(usize, &Arg)| arg.name.as_ref().map_or(*at == place, |given| given.text == name);
            args.iter().enumerate().find(is).map(|(_, arg)| &arg.value)
        };
        let sigma = self.cell_expression(of(0, "sigma")?)?;
        let (from, to) = (of(1, "from")?, of(2, "to")?);
        let (shortest, longest) = (self.quantity(from, Dimension::TIME)?, self.quantity(to, Dimension::TIME)?);
        if is_random(&sigma) {
            let message = "how much noise there is follows from what a cell holds";
            self.error(Code::E0503, message, ast.span, "not from a random number");
            return None;
        }
        if !(shortest >= 1e-15 && shortest <= longest && longest <= 1e12) {
            let message =
                "noise of a 1/f spectrum lies between two times, the shorter first, from a femtosecond to 30,000 years";
            self.error(Code::E0503, message, ast.span, "such as `from: 100 ns, to: 1 day`");
            return None;
        }
        Some(Some(Flicker { sigma, from: shortest, to: longest }))
    }

    fn drift(&mut self, fields: &Fields) -> Option<Option<Expr>> {
        let Some(ast) = fields.get("drift") else { return Some(None) };
        self.cell_expression(ast).map(Some)
    }

    /// What a read sees that is not there.
    fn read_error(&mut self, ast: &Ast) -> Option<Expr> {
        let expr = self.cell_expression(ast)?;
        if mentions(&expr, &|symbol| symbol != Symbol::Input(0)) {
            let message = "read noise that is not `normal(0, …)` follows from `g` alone";
            self.error(Code::E0503, message, ast.span, "time and other states of the cell are not known to it");
            return None;
        }
        Some(expr)
    }

    /// The current at a voltage.
    fn current(&mut self, fields: &Fields) -> Option<Option<Expr>> {
        let Some(ast) = fields.get("current") else { return Some(None) };
        let names = self.names.clone();
        let expr = self.closer.close_as(&names, self.file, ast, Dimension::CURRENT)?.expr;
        if is_random(&expr) || mentions(&expr, &|symbol| symbol == Symbol::Time) {
            let message = "the current of a cell follows from its conductance and the voltage";
            self.error(Code::E0503, message, ast.span, "what varies and ages is `g`: say `noise`, `drift`");
            return None;
        }
        Some(Some(expr))
    }

    /// What pulses do in training. A random name is a number of the cell's own here.
    fn pulse(&mut self, fields: &Fields, block: &Block, (energy, volts): (f64, f64)) -> Option<Option<Pulse>> {
        let Some(up) = fields.get("potentiation") else { return Some(None) };
        let (mut own, outer) = (Vec::new(), self.names.clone());
        // What programming asked for, and what follows from it, pulses do not know.
        let mut unknown = vec![String::from("asked"), String::from("programmed")];
        for stmt in &block.body {
            let StmtKind::Assign { target, op: AssignOp::Set, value } = &stmt.kind else { continue };
            let ExprKind::Name(name) = &target.kind else { continue };
            let mut follows = false;
            within(value, &mut |part| follows |= matches!(&part.kind, ExprKind::Name(name) if unknown.contains(name)));
            if follows {
                unknown.push(name.clone());
            }
        }
        unknown.iter().for_each(|name| drop(self.names.names.remove(name)));
        for stmt in &block.body {
            let StmtKind::Assign { target, op: AssignOp::Set, value } = &stmt.kind else { continue };
            let ExprKind::Name(name) = &target.kind else { continue };
            if unknown.contains(name) {
                continue;
            }
            let names = self.names.clone();
            let Some(Term { expr, dimension }) = self.closer.close(&names, self.file, value) else { continue };
            let expr = match is_random(&expr) {
                true if mentions(&expr, &|symbol| matches!(symbol, Symbol::Input(_))) => continue,
                true => {
                    own.push(expr);
                    Expr::Symbol(Symbol::State(own.len() - 1))
                }
                false => expr,
            };
            self.names.names.insert(name.clone(), Term { expr, dimension });
        }
        let up_expr = self.pulse_expression(up, volts)?;
        let down = match fields.get("depression") {
            Some(down) => Some(self.pulse_expression(down, volts)?),
            None => None,
        };
        // Its size is known to the noise of a pulse alone.
        let size = Term { expr: Expr::Symbol(Symbol::Input(1)), dimension: Dimension::CONDUCTANCE };
        self.names.names.insert(String::from("step"), size);
        let sigma = match fields.get("noise pulse").and_then(|ast| spread_of(ast)) {
            Some(spread) => Some(self.pulse_expression(spread, volts)?),
            None => None,
        };
        let drawn = [Some(&up_expr), down.as_ref(), sigma.as_ref()].into_iter().flatten().any(is_random);
        self.names = outer;
        if drawn {
            let message = "what a pulse does is drawn with a name of its own, or as `noise pulse`";
            self.error(Code::E0503, message, up.span, "such as `size = normal(1 nS, 0.3 nS)` above, without `g`");
            return None;
        }
        Some(Some(Pulse { up: up_expr, down, sigma, own, energy, volts }))
    }

    /// Shares of cells that are stuck and of lines that are open.
    pub(super) fn faults(&mut self, fields: &Fields) -> Option<Faults> {
        let mut faults = Faults::default();
        let Some(ast) = fields.get("faults") else { return Some(faults) };
        for item in all(ast) {
            let ExprKind::Call(callee, args) = &item.kind else { continue };
            let (ExprKind::Name(name), [share]) = (&callee.kind, &args[..]) else { continue };
            let share = self.quantity(&share.value, Dimension::NONE)?;
            *match name.as_str() {
                "stuck_on" => &mut faults.stuck_on,
                "stuck_off" => &mut faults.stuck_off,
                "dead_row" => &mut faults.dead_row,
                _ => &mut faults.dead_column,
            } = share;
        }
        let Faults { stuck_on, stuck_off, dead_row, dead_column } = faults;
        let wrong = if stuck_on + stuck_off > 1.0 {
            ("more than all cells are faulty", "shares add to more than 100 %")
        } else if dead_row.max(dead_column) > 1.0 {
            ("more than all lines are open", "a share is at most 100 %")
        } else {
            return Some(faults);
        };
        self.error(Code::E0503, wrong.0, ast.span, wrong.1);
        None
    }

    /// How a cell gets its conductance, and whether it is said what a pulse of that takes.
    pub(super) fn programming(&mut self, fields: &Fields) -> Option<(Programming, bool)> {
        let Some(ast) = fields.get("programming") else { return Some((Programming::default(), false)) };
        let ExprKind::Call(callee, _) = &ast.kind else { return None };
        let ExprKind::Name(name) = &callee.kind else { return None };
        let known = [
            ("pulses", Dimension::NONE),
            ("pulse_energy", ENERGY),
            ("pulse_time", Dimension::TIME),
            ("tolerance", Dimension::CONDUCTANCE),
        ];
        let given = self.call_numbers(ast, &known)?;
        let number = |key: &str| given.get(key).copied().unwrap_or(0.0);
        let way = match (name.as_str(), given.get("tolerance")) {
            ("open_loop", _) => Way::Open,
            ("write_verify", Some(&tolerance)) => Way::Verified(tolerance),
            (_, _) => Way::Drawn,
        };
        let pulses = if name == "one_shot" { 1.0 } else { number("pulses") };
        if way != Way::Drawn && fields.get("potentiation").is_none() {
            let message = "what a pulse does is not known";
            self.error(
                Code::E0503,
                message,
                ast.span,
                "pulses are simulated here: say `potentiation: 1 uS`, and `depression`",
            );
            return None;
        }
        if way != Way::Drawn && !(1.0..=1e6).contains(&pulses) {
            let message = "no number of pulses to end with";
            self.error(Code::E0503, message, ast.span, "give the most a cell may get, 1 to 1,000,000: `pulses: 100`");
            return None;
        }
        let verifies = name == "write_verify";
        let (energy, time) = (number("pulse_energy"), number("pulse_time"));
        Some((Programming { way, verifies, pulses, energy, time }, given.contains_key("pulse_energy")))
    }
}

/// What is wrong with a share of cells, rows and columns.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    pub stuck_on: f64,
    pub stuck_off: f64,
    dead_row: f64,
    dead_column: f64,
}

/// Of `normal(0, SPREAD)`.
fn spread_of(ast: &Ast) -> Option<&Ast> {
    let ExprKind::Call(_, args) = &ast.kind else { return None };
    args.get(1).map(|arg| &arg.value)
}

/// `normal(…)`.
fn is_normal(ast: &Ast) -> bool {
    matches!(&ast.kind, ExprKind::Call(callee, _) if matches!(&callee.kind, ExprKind::Name(name) if name == "normal"))
}
