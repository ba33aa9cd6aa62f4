//! `deploy`: which network on which chip, and what the user decides in the compiler's place.

use nmc_grammar::ast::{Expr as Ast, ExprKind, Field, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;

use super::Elaborator;
use super::hardware::domain;
use crate::forms::network::NodeId;
use crate::forms::plan::{Objective, Pin, Pinned};
use crate::quantity::Dimension;
use crate::typing::walk::{all, path};

/// The most chips that can be drawn.
const MOST_CHIPS: usize = 100_000;
/// The longest time after programming, in seconds.
const LONGEST: f64 = 3.2e10;

impl Elaborator<'_> {
    /// Takes the options; what `calibrate` asks for is given back, for when the data are known.
    pub fn options<'b>(&mut self, body: &'b [Stmt]) -> Option<&'b Ast> {
        let mut calibrate = None;
        for stmt in body {
            match &stmt.kind {
                StmtKind::Field(field) if field.key[0].text == "calibrate" => calibrate = Some(&field.value),
                StmtKind::Field(field) => self.option(field),
                StmtKind::Pin { target, value } => self.pin(target, value, stmt),
                // The check has told of what has no place here.
                _ => {}
            }
        }
        calibrate
    }

    fn option(&mut self, field: &Field) {
        let word = if let ExprKind::Name(name) = &field.value.kind { name.as_str() } else { "" };
        match (field.key[0].text.as_str(), word) {
            // Taken before all else.
            ("step", _) => {}
            ("minimise", "energy") => self.plan.objective = Objective::Energy,
            ("minimise", "time") => self.plan.objective = Objective::Time,
            ("minimise", "area") => self.plan.objective = Objective::Area,
            ("convert", "everywhere") => self.plan.convert_everywhere = true,
            ("convert", "best") => self.plan.convert_everywhere = false,
            ("chips", _) => {
                let Some(chips) = self.count(&field.value, 1.0) else { return };
                if chips > MOST_CHIPS {
                    let label = "at most 100,000";
                    return self.error(Code::E0306, "these are too many chips", field.value.span, label);
                }
                self.plan.chips = Some(chips);
            }
            ("after", _) => self.aged(&field.value),
            ("compensate", _) => {
                let is = |word: &str| {
                    all(&field.value).iter().any(|one| matches!(&one.kind, ExprKind::Name(name) if name == word))
                };
                (self.plan.drift_compensated, self.plan.wires_compensated) = (is("drift"), is("wires"));
                let bits = self.chip.converters.iter_mut().filter(|converter| converter.bits.is_some());
                bits.for_each(|converter| converter.corrected = is("converters"));
            }
            ("accuracy_loss", _) => {
                let names = self.names.clone();
                let Some(loss) = self.closer.value(&names, self.file, &field.value, Dimension::NONE) else { return };
                if !(0.0..=1.0).contains(&loss) {
                    return self.error(Code::E0306, "a loss lies within 0 and 100 %", field.value.span, "does not");
                }
                self.plan.accuracy_loss = Some(loss);
            }
            // The check has told of what is no option.
            _ => {}
        }
    }

    /// `after: 1 day`, or a list of times.
    fn aged(&mut self, value: &Ast) {
        let (names, file) = (self.names.clone(), self.file);
        for time in all(value) {
            let Some(seconds) = self.closer.value(&names, file, time, Dimension::TIME) else { return };
            if !(0.0..=LONGEST).contains(&seconds) {
                let label = "from 0 to a thousand years";
                return self.error(Code::E0306, "chips cannot be tested then", time.span, label);
            }
            if self.plan.after.contains(&seconds) {
                return self.error(Code::E0306, "this time is given twice", time.span, "given again");
            }
            self.plan.after.push(seconds);
        }
        if self.plan.after.is_empty() {
            self.error(Code::E0306, "no time is given", value.span, "such as `after: [1 s, 1 h, 1 day]`");
        }
    }

    fn pin(&mut self, target: &Ast, value: &Ast, stmt: &Stmt) {
        let Some(node) = self.node_called(target) else { return };
        let value = match &value.kind {
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "core") => {
                let [x, y] = &args[..] else { return };
                let (Some(x), Some(y)) = (self.count(&x.value, 0.0), self.count(&y.value, 0.0)) else { return };
                Some(Pinned::Core(x, y))
            }
            _ => domain(value).map(Pinned::Domain),
        };
        if let Some(value) = value {
            self.plan.pins.push(Pin { node, value, span: stmt.span });
        }
    }

    /// A node of the whole network by the name it has there: `hidden`, `relu_1`, `sub.fc1`.
    pub fn node_called(&mut self, ast: &Ast) -> Option<NodeId> {
        let name = path(ast).unwrap_or_default();
        let graph = &self.network.graph;
        if let Some(node) = graph.node_indices().find(|node| graph[*node].name == name) {
            return Some(node);
        }
        let mut unknown =
            Diagnostic::new(Code::E0201, format!("the network has no `{name}`"), ast.span, "unknown name");
        let known = graph.node_weights().map(|node| node.name.as_str());
        unknown.help = closest(&name, known)
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| Some(String::from("`nmc build --emit network` shows the names")));
        self.closer.diagnostics.push(unknown);
        None
    }
}
