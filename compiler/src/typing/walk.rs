//! Ways through the tree: every statement, every expression of a statement, every expression within one.

use nmc_grammar::ast::{Arg, Clause, Expr, ExprKind, Field, Stmt, StmtKind};

/// Every statement, those within others after the one that holds them.
pub fn statements<'t>(body: &'t [Stmt], visit: &mut dyn FnMut(&'t Stmt)) {
    for stmt in body {
        visit(stmt);
        for inner in bodies(stmt) {
            statements(inner, visit);
        }
    }
}

/// The statements within a statement.
pub fn bodies(stmt: &Stmt) -> Vec<&[Stmt]> {
    match &stmt.kind {
        StmtKind::Trace { on: Some((_, body)), .. }
        | StmtKind::SpikeWhen { body, .. }
        | StmtKind::When { body, .. }
        | StmtKind::On { body, .. }
        | StmtKind::Every { body, .. }
        | StmtKind::For { body, .. }
        | StmtKind::Deploy { body, .. } => vec![body],
        StmtKind::If { then, otherwise, .. } => vec![then, otherwise],
        StmtKind::Population { .. }
        | StmtKind::Connect { .. }
        | StmtKind::Probe { .. }
        | StmtKind::Flow { .. }
        | StmtKind::Input { .. }
        | StmtKind::State { .. }
        | StmtKind::Next { .. }
        | StmtKind::Trace { on: None, .. }
        | StmtKind::Derivative { .. }
        | StmtKind::Hold { .. }
        | StmtKind::Rewire { .. }
        | StmtKind::Bounds { .. }
        | StmtKind::Emit { .. }
        | StmtKind::EmitOnce { .. }
        | StmtKind::EmitWhen { .. }
        | StmtKind::Assign { .. }
        | StmtKind::Field(_)
        | StmtKind::Pin { .. }
        | StmtKind::Data { .. }
        | StmtKind::Run { .. }
        | StmtKind::Present { .. }
        | StmtKind::Require { .. }
        | StmtKind::Report { .. } => Vec::new(),
    }
}

/// The expressions that stand in a statement itself, not in the statements within it.
pub fn expressions(stmt: &Stmt) -> Vec<&Expr> {
    match &stmt.kind {
        StmtKind::Population { indices, shape, args, values, .. } => {
            let own = values.iter().flat_map(of_field);
            indices.iter().chain(shape).chain(args.iter().map(|arg| &arg.value)).chain(own).collect()
        }
        StmtKind::Connect { from, to, fields, .. } => {
            from.iter().chain(to).chain(fields.iter().flat_map(of_field)).collect()
        }
        StmtKind::Probe { signals, histogram, every, .. } => signals.iter().chain(histogram).chain(every).collect(),
        StmtKind::Flow { value, target } | StmtKind::Pin { target, value } | StmtKind::Assign { target, value, .. } => {
            vec![value, target]
        }
        StmtKind::Input { ty, .. } => ty.shape.iter().chain(&ty.args).collect(),
        StmtKind::State { ty, initial, .. } => ty.shape.iter().chain(&ty.args).chain(initial).collect(),
        StmtKind::Bounds { low, high, .. } => vec![low, high],
        StmtKind::Trace { tau: value, .. }
        | StmtKind::Next { value, .. }
        | StmtKind::Derivative { value, .. }
        | StmtKind::SpikeWhen { condition: value, .. }
        | StmtKind::When { condition: value, .. }
        | StmtKind::Rewire { condition: value }
        | StmtKind::Hold { duration: value, .. }
        | StmtKind::Every { interval: value, .. }
        | StmtKind::Emit { value }
        | StmtKind::EmitOnce { at: value }
        | StmtKind::EmitWhen { condition: value }
        | StmtKind::For { range: value, .. }
        | StmtKind::If { condition: value, .. }
        | StmtKind::Data { value, .. } => vec![value],
        StmtKind::Require { all } => all.iter().map(|one| &one.condition).collect(),
        StmtKind::Field(field) => vec![&field.value],
        StmtKind::Deploy { network, chip, .. } => std::iter::once(network).chain(chip).collect(),
        StmtKind::Run { duration, fields, clauses } => {
            let clauses = clauses.iter().map(of_clause);
            std::iter::once(duration).chain(fields.iter().flat_map(of_field)).chain(clauses).collect()
        }
        StmtKind::Present { inputs, clauses, .. } => {
            inputs.iter().flat_map(of_field).chain(clauses.iter().map(of_clause)).collect()
        }
        StmtKind::On { .. } | StmtKind::Report { .. } => Vec::new(),
    }
}

/// What stands in a clause.
pub fn of_clause(clause: &Clause) -> &Expr {
    match clause {
        Clause::For(value) | Clause::Expect(value) | Clause::Measure(_, value) | Clause::By(value) => value,
    }
}

fn of_field(field: &Field) -> impl Iterator<Item = &Expr> {
    std::iter::once(&field.value).chain(&field.every)
}

/// Whether it is a file, `load("…")`.
pub fn loads(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call(callee, _) if matches!(&callee.kind, ExprKind::Name(name) if name == "load"))
}

/// The parts of an expression.
pub fn parts(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Member(object, _) | ExprKind::Unary(_, object) => vec![object],
        ExprKind::Index(object, indices) => std::iter::once(&**object).chain(indices).collect(),
        ExprKind::Call(callee, args) => std::iter::once(&**callee).chain(args.iter().map(|arg| &arg.value)).collect(),
        ExprKind::Binary(_, a, b) | ExprKind::Range(a, b) | ExprKind::Pipe(a, b) => vec![a, b],
        ExprKind::If(c, a, b) => vec![c, a, b],
        ExprKind::List(all) | ExprKind::Tuple(all) => all.iter().collect(),
        ExprKind::Iterate { count, start, next } => {
            std::iter::once(&**count).chain(start.iter().map(|(_, value)| value)).chain(next).collect()
        }
        ExprKind::Number { .. } | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Error => {
            Vec::new()
        }
    }
}

/// The expression and every one within it.
pub fn within<'t>(expr: &'t Expr, visit: &mut dyn FnMut(&'t Expr)) {
    visit(expr);
    for part in parts(expr) {
        within(part, visit);
    }
}

/// The fields of a connection with what is named among them, `r = …`, in the place of the names.
pub fn written_out(fields: &[Field]) -> Vec<Field> {
    let (mut known, mut rest) = (Vec::new(), Vec::new());
    for field in fields {
        let value = put(&field.value, &known);
        match (field.named, &field.key[..]) {
            (true, [name, ..]) => known.push((name.text.clone(), value)),
            (_, _) => rest.push(field.clone()),
        }
    }
    rest.iter_mut().for_each(|field| field.value = put(&field.value, &known));
    rest
}

/// An expression with others in the place of names.
fn put(expr: &Expr, known: &[(String, Expr)]) -> Expr {
    let inner = |expr: &Expr| put(expr, known);
    let boxed = |expr: &Expr| Box::new(put(expr, known));
    let kind = match &expr.kind {
        ExprKind::Name(name) => match known.iter().find(|(other, _)| other == name) {
            Some((_, value)) => return value.clone(),
            None => ExprKind::Name(name.clone()),
        },
        ExprKind::Unary(op, a) => ExprKind::Unary(*op, boxed(a)),
        ExprKind::Binary(op, a, b) => ExprKind::Binary(*op, boxed(a), boxed(b)),
        ExprKind::If(c, a, b) => ExprKind::If(boxed(c), boxed(a), boxed(b)),
        ExprKind::Range(a, b) => ExprKind::Range(boxed(a), boxed(b)),
        ExprKind::Index(object, indices) => ExprKind::Index(object.clone(), indices.iter().map(inner).collect()),
        ExprKind::List(all) => ExprKind::List(all.iter().map(inner).collect()),
        ExprKind::Tuple(all) => ExprKind::Tuple(all.iter().map(inner).collect()),
        ExprKind::Call(callee, args) => {
            let args = args.iter().map(|arg| Arg { name: arg.name.clone(), value: inner(&arg.value) });
            ExprKind::Call(callee.clone(), args.collect())
        }
        ExprKind::Number { .. }
        | ExprKind::Text(_)
        | ExprKind::Bool(_)
        | ExprKind::Member(..)
        | ExprKind::Pipe(..)
        | ExprKind::Iterate { .. }
        | ExprKind::Error => expr.kind.clone(),
    };
    Expr { kind, span: expr.span }
}

/// Whether an expression is a single number by its form alone; `known`: whether a name stands for one.
pub fn is_scalar(expr: &Expr, known: &dyn Fn(&str) -> bool) -> bool {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::Bool(_) => true,
        ExprKind::Name(name) => known(name),
        ExprKind::Unary(_, a) => is_scalar(a, known),
        ExprKind::Binary(_, a, b) => is_scalar(a, known) && is_scalar(b, known),
        ExprKind::If(c, a, b) => is_scalar(c, known) && is_scalar(a, known) && is_scalar(b, known),
        ExprKind::Call(callee, args) => {
            matches!(&callee.kind, ExprKind::Name(name) if super::functions::is_function(name))
                && args.iter().all(|arg| is_scalar(&arg.value, known))
        }
        ExprKind::Text(_)
        | ExprKind::Member(..)
        | ExprKind::Index(..)
        | ExprKind::Range(..)
        | ExprKind::Pipe(..)
        | ExprKind::List(_)
        | ExprKind::Tuple(_)
        | ExprKind::Iterate { .. }
        | ExprKind::Error => false,
    }
}

/// A list, or what stands for a list of one.
pub fn all(expr: &Expr) -> &[Expr] {
    if let ExprKind::List(all) = &expr.kind { all } else { std::slice::from_ref(expr) }
}

/// `rate_hz.exc`, `column[2]`
pub fn path(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Member(object, member) => Some(format!("{}.{}", path(object)?, member.text)),
        ExprKind::Index(object, indices) => match &indices[..] {
            [Expr { kind: ExprKind::Number { value, .. }, .. }] => Some(format!("{}[{value}]", path(object)?)),
            _ => None,
        },
        _ => None,
    }
}
