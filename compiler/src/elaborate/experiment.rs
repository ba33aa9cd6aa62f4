//! Experiments: what is deployed, for how long it runs, what is required.

use nmc_grammar::ast::{self, BinaryOp, Block, BlockKind, Clause, Expr as Ast, ExprKind, Field, Ident, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;
use nmc_program::{Compare, Over, Requirement};

use super::Elaborator;
use super::change::changed;
use super::present::bare;
use super::steps::Counted;
use crate::forms::plan::{Phase, PhaseKind, UNPACED};
use crate::quantity::{Dimension, Quantity};
use crate::typing::walk::path;
use crate::units::show;

/// `accuracy after 1 h`
fn at_time(metric: &str, after: f64) -> String {
    let units = [(365.25 * 86_400.0, "year"), (86_400.0, "day"), (3600.0, "h"), (60.0, "min")];
    let whole = units.iter().find(|(seconds, _)| after >= *seconds && (after / seconds).fract() == 0.0);
    let shown = match whole {
        Some((seconds, unit)) => format!("{} {unit}", after / seconds),
        None => show(Quantity { si: after, dimension: Dimension::TIME }),
    };
    format!("{metric} after {shown}")
}

/// Whether it is a test that expects something.
fn counts(stmt: &Stmt) -> bool {
    let expects = |clause: &Clause| matches!(clause, Clause::Expect(_));
    matches!(&stmt.kind, StmtKind::Present { phase: ast::Phase::Test, clauses, .. } if clauses.iter().any(expects))
}

/// The time step when none is given.
pub const DEFAULT_STEP: f64 = 1e-4;

impl Elaborator<'_> {
    /// The statements of an experiment.
    pub fn experiment(&mut self, block: &Block) {
        let deploys: Vec<&Stmt> =
            block.body.iter().filter(|stmt| matches!(stmt.kind, StmtKind::Deploy { .. })).collect();
        let [deploy] = deploys[..] else {
            let found = deploys.len();
            let message = format!("an experiment deploys one network, this one {found}");
            self.error(Code::E0407, message, block.name.span, "`deploy` is needed once");
            return;
        };
        let StmtKind::Deploy { network, chip, body } = &deploy.kind else { return };
        let errors = self.errors();
        if let Some(chip) = chip {
            self.deploy_chip(chip);
        }
        self.changed = changed(block);
        self.deploy_network(network);
        if self.errors() > errors {
            return;
        }
        self.time_step(body, &block.body);
        let calibrate = self.options(body);
        self.failed.clear();
        for stmt in &block.body {
            if let StmtKind::Data { name, value } = &stmt.kind {
                self.unless_failed(stmt, |this| this.name_data(name, value));
            }
        }
        self.tests = (block.body.iter().filter(|stmt| counts(stmt)).count(), 0);
        for stmt in &block.body {
            self.unless_failed(stmt, |this| match &stmt.kind {
                StmtKind::Deploy { .. } | StmtKind::Data { .. } => {}
                StmtKind::Run { duration, fields, clauses } => this.run(duration, fields, clauses, stmt),
                // What metrics there are is known when all is sound that is shown.
                StmtKind::Require { .. } if this.errors() > errors => {}
                StmtKind::Require { all } => {
                    all.iter().for_each(|one| this.require(one.over.as_ref(), &one.condition));
                }
                StmtKind::Report { names } => this.plan.report.extend(names.iter().map(|name| name.text.clone())),
                StmtKind::Present { phase, sequence, inputs, clauses } => {
                    let kind = match phase {
                        ast::Phase::Train => PhaseKind::Train,
                        ast::Phase::Test => PhaseKind::Test,
                    };
                    this.present(kind, *sequence, inputs, clauses, stmt.span);
                }
                // The check has told of what has no place here.
                _ => {}
            });
        }
        if self.errors() == errors {
            self.unfitted();
            self.untrained();
            self.read_kept();
        }
        if self.errors() == errors && !self.chip.ideal {
            self.calibration(calibrate);
            self.read_kept();
        }
        if self.has_time() {
            self.plan.step.get_or_insert(DEFAULT_STEP);
        }
        self.tell_steps();
    }

    fn deploy_network(&mut self, network: &Ast) {
        let (callee, args) =
            if let ExprKind::Call(callee, args) = &network.kind { (&**callee, &args[..]) } else { (network, &[][..]) };
        let ExprKind::Name(name) = &callee.kind else { return };
        let Some((id, block)) = self.block(self.file, name, callee.span, &[BlockKind::Network]) else { return };
        let file = self.file;
        self.top(id, block, args, network.span);
        self.file = file;
        self.names.names.clear();
        // The network's names are not the experiment's; its outputs and inputs are found in the graph.
        self.values.clear();
    }

    /// The one time step of an experiment: times are told in it, so it is taken before all else. Where neither `deploy` nor a phase says one it
    /// is the default.
    fn time_step(&mut self, deploy: &[Stmt], body: &[Stmt]) {
        let is_step = |field: &&Field| field.key[0].text == "step";
        let usual = if self.only_states() { UNPACED } else { DEFAULT_STEP };
        let mut of_deploy =
            deploy.iter().filter_map(|stmt| if let StmtKind::Field(field) = &stmt.kind { Some(field) } else { None });
        let of_all = of_deploy.rfind(is_step);
        let mut known = of_all.and_then(|field| Some((self.step(&field.value)?, field.span)));
        let mut any = false;
        for stmt in body {
            let fields = match &stmt.kind {
                StmtKind::Run { fields, .. } => fields,
                StmtKind::Present { inputs, .. } => inputs,
                _ => continue,
            };
            any = true;
            let said = fields.iter().find(is_step).and_then(|field| Some((self.step(&field.value)?, field.span)));
            let (Some((step, span)), Some((other, place))) = (said, known) else {
                known = known.or(said);
                continue;
            };
            if step != other {
                let message = "an experiment has one time step";
                let shown = |step: f64| format!("{} ms here", (step * 1e9).round() / 1e6);
                let two = Diagnostic::new(Code::E0419, message, span, shown(step)).with_label(place, shown(other));
                let help = "give one to `deploy … { step: 0.1 ms }`, or write two experiments";
                self.closer.diagnostics.push(two.with_help(help));
                break;
            }
        }
        self.plan.step = known.map(|(step, _)| step).or((any && self.has_time()).then_some(usual));
    }

    fn step(&mut self, value: &Ast) -> Option<f64> {
        let names = self.names.clone();
        let step = self.closer.value(&names, self.file, value, Dimension::TIME)?;
        if step <= 0.0 {
            self.error(Code::E0306, "the time step must be above 0", value.span, "not above 0");
            return None;
        }
        Some(step)
    }

    /// A time that can be run, in seconds.
    pub fn duration(&mut self, duration: &Ast) -> Option<f64> {
        let names = self.names.clone();
        let step = self.plan.step.unwrap_or(DEFAULT_STEP);
        if self.only_states() {
            return self.count(duration, 1.0).map(|steps| steps as f64 * step);
        }
        if let ExprKind::Number { unit: Some(unit), .. } = &duration.kind
            && matches!(unit.as_str(), "step" | "steps")
        {
            let message = "steps are those of a network with states";
            let (label, help) = match self.has_time() {
                true => ("a time is needed", "neurons and devices move in time: `for 50 ms`"),
                false => ("nothing steps here", "leave it out: each sample goes through the layers once"),
            };
            self.closer.diagnostics.push(Diagnostic::new(Code::E0305, message, duration.span, label).with_help(help));
            return None;
        }
        let seconds = self.closer.value(&names, self.file, duration, Dimension::TIME)?;
        let ticks = seconds / self.plan.step.unwrap_or(DEFAULT_STEP);
        if ticks < 0.5 || ticks > f64::from(u32::MAX) {
            let label = "must be at least a step, and below 4e9 steps";
            self.error(Code::E0306, "this duration cannot be run", duration.span, label);
            return None;
        }
        self.timed("this duration", seconds, Counted::Some, duration.span);
        Some(seconds)
    }

    fn run(&mut self, duration: &Ast, fields: &[Field], clauses: &[Clause], stmt: &Stmt) {
        let mut phase = bare(PhaseKind::Run, true, 1, stmt.span);
        if self.fields(fields, &mut phase).is_none() || self.all_fed(&phase).is_none() {
            return;
        }
        let Some(seconds) = self.duration(duration) else { return };
        phase.duration = Some(seconds);
        for clause in clauses {
            // The check has told of others.
            if let Clause::Measure(name, measure) = clause
                && self.measure(name, measure, &mut phase).is_none()
            {
                return;
            }
        }
        self.late_spikes(fields, &phase);
        self.at_all_times(phase);
    }

    /// Adds a phase: cells are trained when just programmed, and tested at each time `after` that. Metrics of several times tell them.
    pub fn at_all_times(&mut self, phase: Phase) {
        match &self.plan.after[..] {
            [] => self.plan.phases.push(phase),
            _ if phase.kind == PhaseKind::Train => self.plan.phases.push(phase),
            &[after] => self.plan.phases.push(Phase { after, ..phase }),
            _ if phase.sequence => {
                let message = "a `run` or a `sequence` goes on where it ended, and cannot be repeated at several times";
                self.error(Code::E0402, message, phase.span, "write an experiment for each time `after`");
            }
            times => {
                for &after in times {
                    let mut phase = Phase { after, ..phase.clone() };
                    phase.metrics.iter_mut().for_each(|metric| metric.name = at_time(&metric.name, after));
                    self.plan.phases.push(phase);
                }
            }
        }
    }

    fn require(&mut self, word: Option<&Ident>, condition: &Ast) {
        let over = match word.map(|word| (word.text.as_str(), word.span)) {
            None => Over::Every,
            Some(("mean", _)) => Over::Mean,
            Some(("min", _)) => Over::Minimum,
            Some(("max", _)) => Over::Maximum,
            Some((_, span)) => {
                let message = "over several chips, a requirement is of every one, or of their mean, min or max";
                return self.error(Code::E0408, message, span, "none of `mean`, `min`, `max`");
            }
        };
        let wrong = |this: &mut Self| {
            let message = "a requirement compares a metric with a number";
            this.error(Code::E0408, message, condition.span, "such as `accuracy >= 97 %`");
        };
        let ExprKind::Binary(op, a, b) = &condition.kind else { return wrong(self) };
        let comparison = match op {
            BinaryOp::Less => Compare::Less,
            BinaryOp::LessEqual => Compare::LessEqual,
            BinaryOp::Greater => Compare::Greater,
            BinaryOp::GreaterEqual => Compare::GreaterEqual,
            BinaryOp::Equal => Compare::Equal,
            BinaryOp::NotEqual => Compare::NotEqual,
            _ => return wrong(self),
        };
        let Some(metric) = path(a) else {
            self.error(Code::E0408, "the left side of a requirement is a metric", a.span, "not the name of a metric");
            return;
        };
        let mut known = self.metrics();
        let times = self.plan.after.clone();
        let at_times: Vec<String> = times.iter().map(|after| at_time(&metric, *after)).collect();
        let at_times: Vec<String> = at_times.into_iter().filter(|metric| known.contains(metric)).collect();
        if !at_times.is_empty() {
            known.push(metric.clone());
        }
        let near = |known: &[String]| {
            closest(&metric, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"))
        };
        if !known.contains(&metric) {
            let mut unknown =
                Diagnostic::new(Code::E0408, format!("there is no metric `{metric}`"), a.span, "unknown metric");
            let tests: Vec<&str> =
                known.iter().map(String::as_str).filter(|name| name.starts_with("accuracy.test")).collect();
            let expect = match &tests[..] {
                [] => String::from("it counts what a test expects: `test { … } expect argmax(y) == labels`"),
                _ => format!("several tests expect something: say which, one of {}", tests.join(", ")),
            };
            unknown.help = (metric == "accuracy").then_some(expect);
            unknown.help =
                unknown.help.or_else(|| near(&known)).or_else(|| Some(format!("one of {}", known.join(", "))));
            return self.closer.diagnostics.push(unknown);
        }
        let names = self.names.clone();
        let Some(term) = self.closer.close(&names, self.file, b) else { return };
        let Some(value) = term.value() else { return };
        let text = self.closer.model.modules.get(condition.span.file.0 as usize).map_or_else(String::new, |module| {
            let start = word.map_or(condition.span.start, |word| word.span.start);
            module.text.get(start as usize..condition.span.end as usize).unwrap_or("").to_string()
        });
        // What is measured at several times is required at each.
        let metrics = if at_times.is_empty() { vec![metric] } else { at_times };
        let required = |metric| Requirement { over, metric, comparison, value, text: text.clone() };
        self.plan.requirements.extend(metrics.into_iter().map(required));
    }

    /// Every metric a run of the experiment has.
    fn metrics(&self) -> Vec<String> {
        let mut known: Vec<String> =
            self.plan.phases.iter().flat_map(|phase| phase.metrics.iter().map(|metric| metric.name.clone())).collect();
        for node in self.network.graph.node_weights() {
            if node.logical == crate::forms::network::Logical::Spikes
                && matches!(node.operator, crate::forms::network::Operator::Population { .. })
            {
                known.push(format!("spikes.{}", node.name));
                known.push(format!("rate_hz.{}", node.name));
            }
        }
        // What has no name cannot be named here.
        for one in self.network.connections.iter().filter(|one| one.called != one.name) {
            let counted = [("rewired", one.dynamics.rewires().next().is_some()), ("pulses", one.cells.is_some())];
            known.extend(counted.iter().filter(|(_, is)| *is).map(|(what, _)| format!("{what}.{}", one.called)));
        }
        known.push(String::from("energy_j.total"));
        known
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_after_programming_are_told_as_they_are_written() {
        let year = 365.25 * 86_400.0;
        for (seconds, shown) in [
            (1.0, "1 s"),
            (90.0, "90 s"),
            (3600.0, "1 h"),
            (86_400.0, "1 day"),
            (year, "1 year"),
            (10.0 * year, "10 year"),
        ] {
            assert_eq!(super::at_time("accuracy", seconds), format!("accuracy after {shown}"));
        }
    }
}
