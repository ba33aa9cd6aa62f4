//! `by two_arrays(…)`: updates go to a fast array, and by transfers from there to the weights.

use nmc_grammar::ast::{Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;

use super::Elaborator;
use crate::forms::plan::Transfer;
use crate::quantity::Dimension;

/// What it takes besides what all rules take.
pub const ARGUMENTS: &[&str] =
    &["every", "rows", "transfer_rate", "buffer", "choppers", "reference", "reset", "transfer"];

impl Elaborator<'_> {
    /// One of [`ARGUMENTS`].
    pub fn transfer_argument(&mut self, key: &str, value: &Ast, transfer: &mut Transfer) -> Option<()> {
        let names = self.names.clone();
        let word = if let ExprKind::Name(word) = &value.kind { word.as_str() } else { "" };
        let impossible = |this: &mut Self, what: &str| {
            this.error(Code::E0306, format!("this is no `{key}`"), value.span, what.to_string());
            None
        };
        match key {
            "every" => transfer.every = self.count(value, 1.0)?,
            "rows" if word == "all" => transfer.rows = None,
            "rows" => transfer.rows = Some(self.count(value, 1.0)?),
            "transfer_rate" => {
                transfer.rate = self.closer.value(&names, self.file, value, Dimension::NONE)?;
                if !(transfer.rate > 0.0 && transfer.rate.is_finite()) {
                    return impossible(self, "a number above 0 is needed");
                }
            }
            "choppers" => {
                transfer.chop = self.closer.value(&names, self.file, value, Dimension::NONE)?;
                if !(0.0..=1.0).contains(&transfer.chop) {
                    return impossible(self, "how probably a row's sign turns after it was read: 0 to 100 %");
                }
            }
            "reference" => match word {
                "zero" | "dynamic" => transfer.dynamic = word == "dynamic",
                _ => return impossible(self, "`zero`, or `dynamic`: the mean of what was read before signs turned"),
            },
            "transfer" => match word {
                "pulses" | "programming" => transfer.programs = word == "programming",
                _ => return impossible(self, "`pulses` or `programming`"),
            },
            _ => match (&value.kind, key) {
                (ExprKind::Bool(buffer), "buffer") => transfer.buffer = *buffer,
                (ExprKind::Bool(reset), _) => transfer.reset = *reset,
                (_, _) => return impossible(self, "`true` or `false`"),
            },
        }
        if transfer.buffer && transfer.programs {
            return impossible(
                self,
                "cells that are programmed anew take all that was read: no buffer keeps any of it",
            );
        }
        Some(())
    }
}
