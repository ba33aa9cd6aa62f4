//! Experiments: what is deployed, for how long it runs, what is required.

use nmc_grammar::ast::{BinaryOp, Block, BlockKind, Expr as Ast, ExprKind, Field, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_program::{Compare, Requirement};

use super::Elaborator;
use super::term::Term;
use crate::forms::plan::{Phase, PhaseKind};
use crate::quantity::Dimension;

/// The time step when none is given.
const DEFAULT_STEP: f64 = 1e-4;

impl Elaborator<'_> {
    /// The statements of an experiment.
    pub fn experiment(&mut self, block: &Block) {
        let deploys: Vec<&Stmt> =
            block.body.iter().filter(|stmt| matches!(stmt.kind, StmtKind::Deploy { .. })).collect();
        let [deploy] = deploys[..] else {
            let found = deploys.len();
            self.error(
                Code::E0407,
                format!("an experiment deploys one network, this one {found}"),
                block.name.span,
                "`deploy` is needed once",
            );
            return;
        };
        if let StmtKind::Deploy { network, chip, body } = &deploy.kind {
            self.deploy(network, chip.as_ref(), body);
        }
        for stmt in &block.body {
            match &stmt.kind {
                StmtKind::Deploy { .. } => {}
                StmtKind::Run { duration, fields } => self.run(duration, fields, stmt),
                StmtKind::Require { condition } => self.require(condition),
                StmtKind::Report { names } => self.plan.report.extend(names.iter().map(|name| name.text.clone())),
                StmtKind::Present { .. } | StmtKind::Data { .. } => self.unsupported("presenting data", stmt.span),
                _ => self.error(Code::E0401, "this statement has no meaning in an experiment", stmt.span, "misplaced"),
            }
        }
        self.plan.step.get_or_insert(DEFAULT_STEP);
    }

    fn deploy(&mut self, network: &Ast, chip: Option<&Ast>, body: &[Stmt]) {
        if let Some(chip) = chip
            && !matches!(&chip.kind, ExprKind::Name(name) if name == "ideal")
        {
            self.unsupported("a chip other than the ideal one", chip.span);
            return;
        }
        for stmt in body {
            if let StmtKind::Field(field) = &stmt.kind {
                self.option(field);
            } else {
                self.unsupported("this option", stmt.span);
            }
        }
        let (callee, args) =
            if let ExprKind::Call(callee, args) = &network.kind { (&**callee, &args[..]) } else { (network, &[][..]) };
        let ExprKind::Name(name) = &callee.kind else { return };
        let Some((id, block)) = self.block(self.file, name, callee.span, &[BlockKind::Network]) else { return };
        let Some(args) = self.arguments(&block.params, id.file, args, network.span, None) else { return };
        let parameters: Vec<(String, Term)> =
            args.into_iter().map(|(param, term)| (param.name.text.clone(), term)).collect();
        let file = std::mem::replace(&mut self.file, id.file);
        parameters.into_iter().for_each(|(name, term)| self.set(&name, term));
        self.network.name = block.name.text.clone();
        self.network_body(&block.body);
        self.file = file;
        self.names.names.clear();
    }

    fn option(&mut self, field: &Field) {
        if field.key[0].text == "step" {
            self.step(&field.value);
        } else {
            self.unsupported("this option", field.span);
        }
    }

    fn step(&mut self, value: &Ast) {
        let names = self.names.clone();
        match self.closer.value(&names, self.file, value, Dimension::TIME) {
            Some(step) if step > 0.0 => self.plan.step = Some(step),
            Some(_) => self.error(Code::E0306, "the time step must be above 0", value.span, "not above 0"),
            None => {}
        }
    }

    fn run(&mut self, duration: &Ast, fields: &[Field], stmt: &Stmt) {
        for field in fields {
            self.option(field);
        }
        let names = self.names.clone();
        let Some(seconds) = self.closer.value(&names, self.file, duration, Dimension::TIME) else { return };
        let ticks = seconds / self.plan.step.unwrap_or(DEFAULT_STEP);
        if seconds <= 0.0 || ticks > f64::from(u32::MAX) {
            self.error(
                Code::E0306,
                "this duration cannot be run",
                duration.span,
                "must be above 0, and below 4e9 steps",
            );
            return;
        }
        self.plan.phases.push(Phase {
            kind: PhaseKind::Run,
            sequence: false,
            samples: 1,
            inputs: Vec::new(),
            duration: Some(seconds),
            target: None,
            metrics: Vec::new(),
            skip: 0,
            span: stmt.span,
        });
    }

    fn require(&mut self, condition: &Ast) {
        let ExprKind::Binary(op, a, b) = &condition.kind else {
            self.error(
                Code::E0408,
                "a requirement compares a metric with a number",
                condition.span,
                "such as `rate_hz.exc > 1`",
            );
            return;
        };
        if *op == BinaryOp::And {
            self.require(a);
            self.require(b);
            return;
        }
        let comparison = match op {
            BinaryOp::Less => Compare::Less,
            BinaryOp::LessEqual => Compare::LessEqual,
            BinaryOp::Greater => Compare::Greater,
            BinaryOp::GreaterEqual => Compare::GreaterEqual,
            BinaryOp::Equal => Compare::Equal,
            BinaryOp::NotEqual => Compare::NotEqual,
            _ => {
                self.error(
                    Code::E0408,
                    "a requirement compares a metric with a number",
                    condition.span,
                    "such as `rate_hz.exc > 1`",
                );
                return;
            }
        };
        let Some(metric) = path(a) else {
            self.error(Code::E0408, "the left side of a requirement is a metric", a.span, "not the name of a metric");
            return;
        };
        let known = metric.strip_prefix("spikes.").or_else(|| metric.strip_prefix("rate_hz."));
        if known.is_none_or(|population| !self.nodes.contains_key(population)) && metric != "energy_j.total" {
            self.error(Code::E0408, format!("there is no metric `{metric}`"), a.span, "unknown metric");
            return;
        }
        let names = self.names.clone();
        let Some(term) = self.closer.close(&names, self.file, b) else { return };
        let Some(value) = term.value() else { return };
        let text = self.closer.model.modules.get(condition.span.file.0 as usize).map_or_else(String::new, |module| {
            module.text[condition.span.start as usize..condition.span.end as usize].to_string()
        });
        self.plan.requirements.push(Requirement { metric, comparison, value, text });
    }
}

/// `rate_hz.exc`
fn path(ast: &Ast) -> Option<String> {
    match &ast.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Member(object, member) => Some(format!("{}.{}", path(object)?, member.text)),
        _ => None,
    }
}
