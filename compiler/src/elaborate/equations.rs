//! Blocks of equations to closed dynamics: parameters become numbers, aliases are written out, traces become states.

use nmc_grammar::ast::{Arg, AssignOp, Block, Expr as Ast, ExprKind, Param, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::FileId;
use nmc_grammar::suggest::closest;

use super::term::{Closer, Scope, Term, call, is_random};
use super::{Elaborator, uses};
use crate::forms::equations::{Change, Dynamics, Emission, Expr, Function, Input, Method, State, Symbol};
use crate::quantity::Dimension;
use crate::units::type_dimension;

/// Names that are outputs and not aliases.
pub(crate) const OUTPUTS: &[&str] = &["y", "current", "conductance", "voltage", "charge"];

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
            let term = if is_random(&term.expr) { self.hidden(&param.name.text, term) } else { term };
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

    /// A random parameter is drawn once for each element: a state that nothing changes.
    fn hidden(&mut self, name: &str, term: Term) -> Term {
        self.state(name, term.dimension, term.expr)
    }

    fn state(&mut self, name: &str, dimension: Dimension, initial: Expr) -> Term {
        let state = State { name: name.to_string(), dimension, initial, derivative: None, noise: None, bounds: None };
        self.dynamics.states.push(state);
        let symbol = Symbol::State(self.dynamics.states.len() - 1);
        Term { expr: Expr::Symbol(symbol), dimension }
    }

    /// States, traces and inputs get their names.
    fn declare(&mut self, body: &[Stmt]) {
        for stmt in body {
            let (name, ty) = match &stmt.kind {
                StmtKind::State { name, ty, .. } | StmtKind::Trace { name, ty, .. } | StmtKind::Input { name, ty } => {
                    (name, ty)
                }
                _ => continue,
            };
            let Some(dimension) = type_dimension(&ty.name.text).or(self.weight.filter(|_| ty.name.text == "weight"))
            else {
                let message = format!("`{}` is not a quantity", ty.name.text);
                self.closer.diagnostics.push(Diagnostic::new(
                    Code::E0220,
                    message,
                    ty.span,
                    "not a type that a state can have",
                ));
                continue;
            };
            let term = if let StmtKind::Input { .. } = stmt.kind {
                self.dynamics.inputs.push(Input { name: name.text.clone(), dimension });
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

    fn alias(&mut self, stmt: &Stmt) {
        if let StmtKind::Assign { target, op: AssignOp::Set, value } = &stmt.kind
            && let ExprKind::Name(name) = &target.kind
            && !OUTPUTS.contains(&name.as_str())
        {
            match self.closer.close(&self.scope, self.file, value) {
                Some(term) => drop(self.scope.names.insert(name.clone(), term)),
                None => drop(self.scope.failed.insert(name.clone())),
            }
        }
    }

    fn equation(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Derivative { name, value } => {
                let Some((index, dimension)) = self.known_state(name) else { return };
                if let Some((derivative, noise)) = self.right_side(value, dimension) {
                    let state = &mut self.dynamics.states[index];
                    (state.derivative, state.noise) = (Some(derivative), noise);
                }
            }
            StmtKind::Trace { name, tau, on, .. } => {
                let Some((index, _)) = self.known_state(name) else { return };
                if let Some(tau) = self.close_as(tau, Dimension::TIME) {
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
                    let emission =
                        Emission::When { condition: condition.expr, edge: body.is_empty(), resets: changes, holds };
                    self.dynamics.emission = Some(emission);
                }
            }
            StmtKind::On { event, body } => self.on(event, body),
            StmtKind::Bounds { name, low, high } => self.bounds(name, low, high),
            StmtKind::Emit { value } => {
                if let ExprKind::Call(callee, args) = &value.kind
                    && matches!(&callee.kind, ExprKind::Name(name) if name == "poisson")
                    && let [rate] = &args[..]
                {
                    let frequency = Dimension::NONE.over(Dimension::TIME);
                    let rate = self.close_as(&rate.value, frequency);
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
                self.dynamics.emission = self.close_as(at, Dimension::TIME).map(|at| Emission::Once { at });
            }
            StmtKind::EmitWhen { condition } => {
                let condition = self.close(condition);
                let when = |condition: Term| Emission::When {
                    condition: condition.expr,
                    edge: true,
                    resets: vec![],
                    holds: vec![],
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
            StmtKind::Field(field) if field.key.len() == 1 && field.key[0].text == "method" => {
                let ExprKind::Name(name) = &field.value.kind else { return };
                self.dynamics.method = match name.as_str() {
                    "exact" => Some(Method::Exact),
                    "exponential_euler" => Some(Method::ExponentialEuler),
                    "rk4" => Some(Method::RungeKutta4),
                    "euler" => Some(Method::Euler),
                    _ => {
                        let message = format!("there is no method `{name}`");
                        let unknown = Diagnostic::new(Code::E0221, message, field.value.span, "unknown method");
                        self.closer.diagnostics.push(unknown.with_help("one of exact, exponential_euler, rk4, euler"));
                        None
                    }
                };
            }
            StmtKind::State { .. } | StmtKind::Input { .. } => {}
            _ => self.misplaced(stmt),
        }
    }

    fn misplaced(&mut self, stmt: &Stmt) {
        let message = "this statement has no meaning in equations";
        self.closer.diagnostics.push(Diagnostic::new(Code::E0401, message, stmt.span, "misplaced"));
    }

    /// A state by its name, with its dimension.
    fn known_state(&mut self, name: &nmc_grammar::ast::Ident) -> Option<(usize, Dimension)> {
        if let Some(Term { expr: Expr::Symbol(Symbol::State(index)), dimension }) = self.scope.names.get(&name.text) {
            return Some((*index, *dimension));
        }
        let mut unknown =
            Diagnostic::new(Code::E0420, format!("there is no state `{}`", name.text), name.span, "unknown state");
        let states = self.dynamics.states.iter().map(|state| state.name.as_str());
        unknown.help = closest(&name.text, states).map(|near| format!("did you mean `{near}`?"));
        self.closer.diagnostics.push(unknown);
        None
    }

    fn on(&mut self, event: &nmc_grammar::ast::Ident, body: &[Stmt]) {
        let changes = self.changes(body);
        match event.text.as_str() {
            "pre" | "spike" => self.dynamics.on_pre.extend(changes),
            "post" => self.dynamics.on_post.extend(changes),
            other => {
                let message = format!("there is no event `{other}`");
                let unknown = Diagnostic::new(Code::E0221, message, event.span, "unknown event");
                self.closer.diagnostics.push(unknown.with_help("one of pre, post, spike"));
            }
        }
    }

    fn changes(&mut self, body: &[Stmt]) -> Vec<Change> {
        let mut changes = Vec::new();
        for stmt in body {
            match &stmt.kind {
                StmtKind::Assign { target, op, value } => changes.extend(self.change(target, *op, value)),
                StmtKind::Hold { .. } => {}
                _ => self.misplaced(stmt),
            }
        }
        changes
    }

    fn change(&mut self, target: &Ast, op: AssignOp, value: &Ast) -> Option<Change> {
        let old = self.close(target)?;
        let Expr::Symbol(symbol @ (Symbol::State(_) | Symbol::Weight | Symbol::Post(_))) = old.expr else {
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
                && let Some(duration) = self.close_as(duration, Dimension::TIME)
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

impl Elaborator<'_> {
    /// The arguments of a block, closed where they are written, defaults in the block's own file.
    pub fn arguments<'p>(
        &mut self,
        params: &'p [Param],
        file: FileId,
        args: &[Arg],
        span: nmc_grammar::span::Span,
        weight: Option<Dimension>,
    ) -> Option<Vec<(&'p Param, Term)>> {
        let mut given: Vec<Option<&Arg>> = vec![None; params.len()];
        for (position, arg) in args.iter().enumerate() {
            let index = match &arg.name {
                None => (position < params.len()).then_some(position),
                Some(name) => params.iter().position(|param| param.name.text == name.text),
            };
            let at = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
            let Some(index) = index else {
                let shown = arg.name.as_ref().map_or_else(String::new, |name| format!(" `{}`", name.text));
                let mut unknown =
                    Diagnostic::new(Code::E0206, format!("there is no parameter{shown}"), at, "unknown parameter");
                let names = params.iter().map(|param| param.name.text.as_str());
                let near = arg.name.as_ref().and_then(|name| closest(&name.text, names));
                unknown.help = near.map(|near| format!("did you mean `{near}`?"));
                self.closer.diagnostics.push(unknown);
                return None;
            };
            given[index] = Some(arg);
        }
        uses::note(&mut self.uses, self.closer.model, params, &given, span);
        let mut inner = Scope::default();
        let mut closed = Vec::new();
        for (param, arg) in params.iter().zip(given) {
            let declared = param
                .ty
                .as_ref()
                .and_then(|ty| type_dimension(&ty.name.text).or(weight.filter(|_| ty.name.text == "weight")));
            let (scope, file, ast) = match (arg, &param.default) {
                (Some(arg), _) => (&self.names, self.file, &arg.value),
                (None, Some(default)) => (&inner, file, default),
                (None, None) => {
                    let message = format!("`{}` must be given", param.name.text);
                    let missing = Diagnostic::new(Code::E0207, message, span, "missing here");
                    self.closer.diagnostics.push(missing.with_label(param.span, "it has no default"));
                    return None;
                }
            };
            let term = match declared {
                Some(dimension) => self.closer.close_as(scope, file, ast, dimension)?,
                None => self.closer.close(scope, file, ast)?,
            };
            if param.name.text.starts_with("tau") && term.value().is_some_and(|tau| tau <= 0.0) {
                self.error(
                    Code::E0306,
                    format!("the time constant `{}` must be above 0", param.name.text),
                    ast.span,
                    "not above 0",
                );
                return None;
            }
            inner.names.insert(param.name.text.clone(), term.clone());
            closed.push((param, term));
        }
        Some(closed)
    }
}
