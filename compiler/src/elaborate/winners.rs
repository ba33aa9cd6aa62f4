//! `winner_take_all`: every element is compared with every other; those that few are larger than win.

use nmc_grammar::ast::{Arg, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_program::Reduction;

use super::Elaborator;
use crate::forms::equations::{Expr, Function, Symbol};
use crate::forms::gather::{AffineMap, Axis, Gather};
use crate::forms::network::{Logical, NodeId, Operator};

impl Elaborator<'_> {
    /// 1 for the largest elements of a vector [n], as many as the argument says (one), and 0 for the others; of equal ones the first win.
    pub fn winner_take_all(&mut self, from: NodeId, args: &[Arg], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let from = self.real(from, span)?;
        let data = &self.network.graph[from];
        let (shape, name) = (data.shape.clone(), data.name.clone());
        let &[n] = &shape[..] else {
            let message = format!("`winner_take_all` takes a vector, `{name}` is {shape:?}");
            let wrong = Diagnostic::new(Code::E0303, message, span, "takes one axis");
            self.closer.diagnostics.push(wrong.with_help("put `|> flatten` before it"));
            return None;
        };
        let winners = match args {
            [] => 1,
            [Arg { name: None, value, .. }] => self.count(value, 1.0)?,
            [first, ..] => {
                let message = "`winner_take_all` takes one number: how many win";
                self.error(Code::E0206, message, first.value.span, "such as `winner_take_all(3)`");
                return None;
            }
        };
        if winners >= n {
            let message = format!("{winners} of the {n} elements of `{name}` cannot be fewer than all of them");
            let place = args.first().map_or(span, |arg| arg.value.span);
            let wrong = Diagnostic::new(Code::E0303, message, place, "so many are to win");
            let help = match n {
                0 | 1 => String::from("leave the layer out: of a single element there is nothing to choose"),
                _ => format!("at most {} can win: `winner_take_all({})`", n - 1, n - 1),
            };
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        }
        // Of row i and column j of a square, or of place d of row i: the steps along both.
        let axis = |start: isize, steps: [isize; 2]| Axis { len: n, start, steps: steps.to_vec(), nearest: false };
        let read = |width: usize, axes: Vec<Axis>| {
            Operator::Gather(Gather { maps: vec![AffineMap { shape: vec![n, width], axes }] })
        };
        let of_two = |of: Function, a: usize, b: usize| Operator::Elementwise {
            function: String::from("winner_take_all"),
            body: Expr::Call(of, vec![Expr::Symbol(Symbol::Input(a)), Expr::Symbol(Symbol::Input(b))]),
        };
        let mut add = |operator, shape: Vec<usize>, user, base, from: &[NodeId]| {
            self.add(operator, shape, Logical::Real, span, user, base, from)
        };
        let own = add(read(n, vec![axis(0, [1, 0])]), vec![n, n], None, "own", &[from])?;
        let other = add(read(n, vec![axis(0, [0, 1])]), vec![n, n], None, "other", &[from])?;
        // Of those before it one that is as large comes first.
        let as_large = add(of_two(Function::LessEqual, 0, 1), vec![n, n], None, "as_large", &[own, other])?;
        let larger = add(of_two(Function::Less, 0, 1), vec![n, n], None, "larger", &[own, other])?;
        let before = read(n - 1, vec![axis(0, [1, 0]), axis(-1, [1, -1])]);
        let before = add(before, vec![n, n - 1], None, "before", &[as_large])?;
        let behind = read(n - 1, vec![axis(0, [1, 0]), axis(1, [1, 1])]);
        let behind = add(behind, vec![n, n - 1], None, "behind", &[larger])?;
        let sum = || Operator::Reduce { reduction: Reduction::Sum, each: n - 1 };
        let before = add(sum(), vec![n], None, "before", &[before])?;
        let behind = add(sum(), vec![n], None, "behind", &[behind])?;
        let both = Expr::Call(Function::Add, vec![Expr::Symbol(Symbol::Input(0)), Expr::Symbol(Symbol::Input(1))]);
        let wins = Operator::Elementwise {
            function: String::from("winner_take_all"),
            body: Expr::Call(Function::Less, vec![both, Expr::Number(winners as f64)]),
        };
        add(wins, shape, user, "winner_take_all", &[before, behind])
    }
}
