//! Blocks of equations to closed dynamics: parameters become numbers, aliases are written out, traces become states.

use nmc_grammar::ast::{AssignOp, Block, Expr as Ast, ExprKind, Param, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::FileId;
use nmc_grammar::suggest::closest;

use super::term::{Closer, Scope, Term, call, is_random};
use crate::algebra::{mentions, random};
use crate::forms::equations::{Change, Dynamics, Emission, Event, Expr, Function, Input, Method, Regular, Symbol};
use crate::quantity::{Dimension, Quantity};
use crate::units::{show, type_dimension};

/// Names that are outputs and not aliases.
pub const OUTPUTS: &[&str] = &["y", "current", "conductance", "voltage", "charge"];

/// Dynamics in the making; a synapse and its plasticity rule are made into one.
pub struct Closing<'c, 'a> {
    pub closer: &'c mut Closer<'a>,
    pub file: FileId,
    pub scope: Scope,
    pub dynamics: Dynamics,
    /// Dimension of the connection's weight.
    pub weight: Option<Dimension>,
}

impl Closing<'_, '_> {
    /// Adds a block used with these arguments, which have been closed in the scope of their user.
    pub fn block(&mut self, block: &Block, args: Vec<(&Param, Term)>) -> Option<()> {
        let noise = Term { expr: Expr::Symbol(Symbol::Noise), dimension: Dimension::NOISE };
        self.scope.names.insert(String::from("xi"), noise);
        for (param, term) in args {
            let own = |expr: &Expr| is_random(expr) || mentions(expr, &|symbol| symbol == Symbol::Index);
            let term = if own(&term.expr) { self.hidden(&param.name.text, term) } else { term };
            self.scope.names.insert(param.name.text.clone(), term);
        }
        self.declare(&block.body);
        for stmt in &block.body {
            self.alias(stmt);
        }
        for stmt in &block.body {
            self.equation(stmt);
        }
        Some(())
    }

    /// A parameter that is an element's own (random: drawn once) is a state that nothing changes.
    fn hidden(&mut self, name: &str, term: Term) -> Term {
        self.state(name, term.dimension, term.expr)
    }

    fn state(&mut self, name: &str, dimension: Dimension, initial: Expr) -> Term {
        let symbol = Symbol::State(self.dynamics.keep(name.to_string(), dimension, initial));
        Term { expr: Expr::Symbol(symbol), dimension }
    }

    /// States, traces and inputs get their names.
    fn declare(&mut self, body: &[Stmt]) {
        for stmt in body {
            let (StmtKind::State { name, ty, .. }
            | StmtKind::Trace { name, ty, .. }
            | StmtKind::Input { name, ty, .. }) = &stmt.kind
            else {
                continue;
            };
            // The check has told of types that are no quantities, of statements out of place and of words not known.
            let Some(dimension) = type_dimension(&ty.name.text).or(self.weight.filter(|_| ty.name.text == "weight"))
            else {
                continue;
            };
            let term = if let StmtKind::Input { .. } = stmt.kind {
                self.dynamics.inputs.push(Input { name: name.text.clone(), dimension, at: None });
                Term { expr: Expr::Symbol(Symbol::Input(self.dynamics.inputs.len() - 1)), dimension }
            } else {
                let initial = if let StmtKind::State { initial: Some(initial), .. } = &stmt.kind {
                    self.close_as(initial, dimension)
                } else {
                    None
                };
                self.state(&name.text, dimension, initial.unwrap_or(Expr::Number(0.0)))
            };
            self.scope.names.insert(name.text.clone(), term);
        }
    }

    /// Closes an expression that is not the right side of an equation: there is no noise in it.
    fn close(&mut self, ast: &Ast) -> Option<Term> {
        let term = self.closer.close(&self.scope, self.file, ast)?;
        self.quiet(ast, &term.expr).then_some(term)
    }

    /// Likewise.
    fn close_as(&mut self, ast: &Ast, dimension: Dimension) -> Option<Expr> {
        let term = self.closer.close_as(&self.scope, self.file, ast, dimension)?;
        self.quiet(ast, &term.expr).then_some(term.expr)
    }

    /// Likewise, of what cannot be below 0, or not even 0, where that is known.
    fn not_negative(&mut self, ast: &Ast, dimension: Dimension, what: &str, zero: bool) -> Option<Expr> {
        let expr = self.close_as(ast, dimension)?;
        let Expr::Number(value) = expr else { return Some(expr) };
        let (must, label) = if zero { ("cannot be negative", "below 0") } else { ("must be above 0", "not above 0") };
        if value < 0.0 || (value == 0.0 && !zero) {
            let shown = show(Quantity { si: value, dimension });
            let wrong = Diagnostic::new(Code::E0306, format!("{what} {must}, this is {shown}"), ast.span, label);
            self.closer.diagnostics.push(wrong);
            return None;
        }
        Some(expr)
    }

    fn time(&mut self, ast: &Ast, what: &str, zero: bool) -> Option<Expr> {
        self.not_negative(ast, Dimension::TIME, what, zero)
    }

    fn alias(&mut self, stmt: &Stmt) {
        if let StmtKind::Assign { target, op: AssignOp::Set, value } = &stmt.kind
            && let ExprKind::Name(name) = &target.kind
            && !OUTPUTS.contains(&name.as_str())
        {
            match self.closer.close(&self.scope, self.file, value) {
                Some(term) => {
                    let drawn = is_random(&term.expr) || mentions(&term.expr, &|symbol| symbol == Symbol::Noise);
                    if !drawn {
                        self.dynamics.names.push((name.clone(), term.expr.clone(), term.dimension));
                    }
                    self.scope.names.insert(name.clone(), term);
                }
                None => drop(self.scope.failed.insert(name.clone())),
            }
        }
    }

    fn equation(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Derivative { name, value } => {
                let weight = |term: &Term| term.expr == Expr::Symbol(Symbol::Weight);
                if let Some(dimension) =
                    self.scope.names.get(&name.text).filter(|term| weight(term)).map(|w| w.dimension)
                {
                    if let Some((derivative, noise)) = self.right_side(value, dimension) {
                        (self.dynamics.weight_derivative, self.dynamics.weight_noise) = (Some(derivative), noise);
                    }
                    return;
                }
                let Some((index, dimension)) = self.known_state(name) else { return };
                if let Some((derivative, noise)) = self.right_side(value, dimension) {
                    let state = &mut self.dynamics.states[index];
                    (state.derivative, state.noise) = (Some(derivative), noise);
                }
            }
            StmtKind::Trace { name, tau, on, .. } => {
                let Some((index, _)) = self.known_state(name) else { return };
                if let Some(tau) = self.time(tau, "the time constant of a trace", false) {
                    let falling = call(Function::Negate, vec![Expr::Symbol(Symbol::State(index))]);
                    self.dynamics.states[index].derivative = Some(call(Function::Divide, vec![falling, tau]));
                }
                if let Some((event, body)) = on {
                    self.on(event, body);
                }
            }
            StmtKind::SpikeWhen { condition, body } => {
                let (condition, changes, holds) = (self.close(condition), self.changes(body), self.holds(body));
                if let Some(condition) = condition {
                    let edge = body.is_empty() && !random(&condition.expr);
                    let emission = Emission::When { condition: condition.expr, edge, resets: changes, holds };
                    self.dynamics.emission = Some(emission);
                }
            }
            StmtKind::When { condition, body } => {
                let (condition, changes) = (self.close(condition), self.changes(body));
                let event = condition.map(|condition| Event { condition: condition.expr, changes });
                self.dynamics.events.extend(event);
            }
            StmtKind::Input { name, at: Some(at), .. } => {
                let state = self.known_state(at).map(|(index, _)| index);
                let found = self.dynamics.inputs.iter_mut().find(|input| input.name == name.text);
                found.into_iter().for_each(|input| input.at = state);
            }
            StmtKind::On { event, body } => self.on(event, body),
            StmtKind::Every { interval, body } => {
                let (interval, changes) = (self.time(interval, "an interval", false), self.sums(body));
                let rewire = body.iter().find_map(|stmt| self.rewire(stmt));
                self.dynamics.regular.extend(interval.map(|interval| Regular { interval, changes, rewire }));
            }
            StmtKind::Bounds { name, low, high } => self.bounds(name, low, high),
            StmtKind::Emit { value } => {
                if let ExprKind::Call(callee, args) = &value.kind
                    && matches!(&callee.kind, ExprKind::Name(name) if name == "poisson")
                    && let [rate] = &args[..]
                {
                    let frequency = Dimension::NONE.over(Dimension::TIME);
                    let rate = self.not_negative(&rate.value, frequency, "a rate", true);
                    self.dynamics.emission = rate.map(|rate| Emission::Poisson { rate });
                } else {
                    let message = "only `poisson(rate)` can be emitted";
                    let wrong = Diagnostic::new(Code::E0305, message, value.span, "not a way to emit spikes");
                    self.closer
                        .diagnostics
                        .push(wrong.with_help("write `emit poisson(10 Hz)`, `emit once at …` or `emit when …`"));
                }
            }
            StmtKind::EmitOnce { at } => {
                self.dynamics.emission = self.time(at, "a time", true).map(|at| Emission::Once { at });
            }
            StmtKind::EmitWhen { condition } => {
                let condition = self.close(condition);
                let when = |condition: Term| {
                    // What is drawn anew in every step has no course that could rise.
                    let edge = !random(&condition.expr);
                    Emission::When { condition: condition.expr, edge, resets: vec![], holds: vec![] }
                };
                self.dynamics.emission = condition.map(when);
            }
            StmtKind::Assign { target, op: AssignOp::Set, value } => {
                if let ExprKind::Name(name) = &target.kind
                    && OUTPUTS.contains(&name.as_str())
                {
                    // The dimension of an output is found again by its name, except for `y`.
                    let output = match type_dimension(name) {
                        Some(dimension) => self.close_as(value, dimension),
                        None => self.close(value).map(|term| term.expr),
                    };
                    self.dynamics.outputs.extend(output.map(|expr| (name.clone(), expr)));
                }
            }
            StmtKind::Field(field) if field.key.len() == 1 && field.key[0].text == "tolerance" => {
                self.dynamics.tolerance = self.tolerance(&field.value);
            }
            StmtKind::Field(field) if field.key.len() == 1 && field.key[0].text == "method" => {
                let ExprKind::Name(name) = &field.value.kind else { return };
                self.dynamics.method = match name.as_str() {
                    "exact" => Some(Method::Exact),
                    "exponential_euler" => Some(Method::ExponentialEuler),
                    "rk4" => Some(Method::RungeKutta4),
                    "rk45" => Some(Method::RungeKutta45),
                    "euler" => Some(Method::Euler),
                    _ => None,
                };
            }
            _ => {}
        }
    }

    /// The error that is allowed in a part of a step: a number above 0 and below 1.
    fn tolerance(&mut self, ast: &Ast) -> Option<f64> {
        let expr = self.not_negative(ast, Dimension::NONE, "a tolerance", false)?;
        match expr {
            Expr::Number(value) if value < 1.0 => Some(value),
            Expr::Number(_) => {
                let wrong =
                    Diagnostic::new(Code::E0306, "a tolerance is a share of the state", ast.span, "not below 1");
                self.closer.diagnostics.push(wrong);
                None
            }
            // While the block is checked by itself, its parameters have no value.
            Expr::Symbol(_) | Expr::Call(..) => None,
        }
    }

    /// A state by its name, with its dimension.
    fn known_state(&mut self, name: &nmc_grammar::ast::Ident) -> Option<(usize, Dimension)> {
        if let Some(Term { expr: Expr::Symbol(Symbol::State(index)), dimension }) = self.scope.names.get(&name.text) {
            return Some((*index, *dimension));
        }
        let mut unknown =
            Diagnostic::new(Code::E0420, format!("there is no state `{}`", name.text), name.span, "unknown state");
        let states = self.dynamics.states.iter().map(|state| state.name.as_str());
        let near = closest(&name.text, states).map(|near| format!("did you mean `{near}`?"));
        unknown.help = near.or_else(|| Some(format!("declare it: `state {}: voltage = 0 mV`", name.text)));
        self.closer.diagnostics.push(unknown);
        self.scope.failed.insert(name.text.clone());
        None
    }

    fn on(&mut self, event: &nmc_grammar::ast::Ident, body: &[Stmt]) {
        let changes = if event.text == "post" { self.sums(body) } else { self.changes(body) };
        match event.text.as_str() {
            "pre" | "spike" => self.dynamics.on_pre.extend(changes),
            "post" => self.dynamics.on_post.extend(changes),
            _ => {}
        }
    }

    /// Changes where all synapses of a target are at hand.
    fn sums(&mut self, body: &[Stmt]) -> Vec<Change> {
        self.scope.sums = true;
        let changes = self.changes(body);
        self.scope.sums = false;
        changes
    }

    fn rewire(&mut self, stmt: &Stmt) -> Option<Expr> {
        let StmtKind::Rewire { condition } = &stmt.kind else { return None };
        self.scope.sums = true;
        let condition = self.close(condition);
        self.scope.sums = false;
        condition.map(|term| term.expr)
    }

    fn changes(&mut self, body: &[Stmt]) -> Vec<Change> {
        let mut changes = Vec::new();
        for stmt in body {
            if let StmtKind::Assign { target, op, value } = &stmt.kind {
                changes.extend(self.change(target, *op, value));
            }
        }
        changes
    }

    fn change(&mut self, target: &Ast, op: AssignOp, value: &Ast) -> Option<Change> {
        let old = self.close(target)?;
        let Expr::Symbol(symbol @ (Symbol::State(_) | Symbol::Weight | Symbol::Pre(_) | Symbol::Post(_))) = old.expr
        else {
            let wrong =
                Diagnostic::new(Code::E0429, "only states and weights can be changed", target.span, "this is neither");
            self.closer.diagnostics.push(wrong);
            return None;
        };
        let wanted = match op {
            AssignOp::Set | AssignOp::Add | AssignOp::Subtract => old.dimension,
            AssignOp::Multiply | AssignOp::Divide => Dimension::NONE,
        };
        let new = self.close_as(value, wanted)?;
        let combined = |function| call(function, vec![old.expr.clone(), new.clone()]);
        let value = match op {
            AssignOp::Set => new,
            AssignOp::Add => combined(Function::Add),
            AssignOp::Subtract => combined(Function::Subtract),
            AssignOp::Multiply => combined(Function::Multiply),
            AssignOp::Divide => combined(Function::Divide),
        };
        Some(Change { target: symbol, value })
    }

    fn holds(&mut self, body: &[Stmt]) -> Vec<(usize, Expr)> {
        let mut holds = Vec::new();
        for stmt in body {
            if let StmtKind::Hold { name, duration } = &stmt.kind
                && let Some((index, _)) = self.known_state(name)
                && let Some(duration) = self.time(duration, "a time", true)
            {
                holds.push((index, duration));
            }
        }
        holds
    }

    fn bounds(&mut self, name: &nmc_grammar::ast::Ident, low: &Ast, high: &Ast) {
        let Some(term) = self.scope.names.get(&name.text).cloned() else {
            self.known_state(name);
            return;
        };
        let (low, high) = (self.close_as(low, term.dimension), self.close_as(high, term.dimension));
        let (Some(low), Some(high)) = (low, high) else { return };
        match term.expr {
            Expr::Symbol(Symbol::Weight) => self.dynamics.weight_bounds = Some((low, high)),
            Expr::Symbol(Symbol::State(index)) => self.dynamics.states[index].bounds = Some((low, high)),
            _ => {
                self.known_state(name);
            }
        }
    }
}

/// Empty dynamics with the block's name.
pub fn named(block: &Block) -> Dynamics {
    Dynamics { name: block.name.text.clone(), ..Dynamics::default() }
}
