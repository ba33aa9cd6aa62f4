//! Sums of products with constant coefficients: the normal form in which update formulas are gathered, so that every
//! constant is folded and equal coefficients are multiplied once.

use nmc_program::{Binary, Value};

use super::algebra;
use super::expression::{self, Names};
use super::kernel::Builder;
use crate::forms::equations::{Expr, Function};

/// A sum of terms, in the order met.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Polynomial {
    terms: Vec<Term>,
}

/// `coefficient * factors[0]^powers[0] * …`; factors are names or expressions taken whole.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    coefficient: f64,
    factors: Vec<(Expr, i32)>,
}

impl Polynomial {
    /// The normal form of an expression.
    pub fn of(expr: &Expr) -> Polynomial {
        if let Some(value) = algebra::constant(expr) {
            return Polynomial::number(value);
        }
        let Expr::Call(function, args) = expr else { return Polynomial::whole(expr) };
        match (function, &args[..]) {
            (Function::Add, [a, b]) => Polynomial::of(a).plus(&Polynomial::of(b), 1.0),
            (Function::Subtract, [a, b]) => Polynomial::of(a).plus(&Polynomial::of(b), -1.0),
            (Function::Negate, [a]) => Polynomial::of(a).times(-1.0),
            (Function::Multiply, [a, b]) => Polynomial::of(a).product(a, &Polynomial::of(b), b),
            (Function::Divide, [a, b]) => {
                let divisor = Polynomial::of(b);
                let [term] = &divisor.terms[..] else { return Polynomial::whole(expr) };
                let factors = term.factors.iter().map(|(factor, power)| (factor.clone(), -power)).collect();
                let inverse = Term { coefficient: 1.0 / term.coefficient, factors };
                Polynomial::of(a).product(a, &Polynomial { terms: vec![inverse] }, b)
            }
            _ => Polynomial::whole(expr),
        }
    }

    /// A number.
    pub fn number(value: f64) -> Polynomial {
        let mut result = Polynomial::default();
        result.gather(Term { coefficient: value, factors: Vec::new() });
        result
    }

    fn whole(expr: &Expr) -> Polynomial {
        Polynomial { terms: vec![Term { coefficient: 1.0, factors: vec![(expr.clone(), 1)] }] }
    }

    /// The number it is, if it is one.
    pub fn constant(&self) -> Option<f64> {
        match &self.terms[..] {
            [] => Some(0.0),
            [term] if term.factors.is_empty() => Some(term.coefficient),
            _ => None,
        }
    }

    /// What stands in it without a factor.
    pub fn free_term(&self) -> f64 {
        self.terms.iter().filter(|term| term.factors.is_empty()).map(|term| term.coefficient).sum()
    }

    fn gather(&mut self, term: Term) {
        if term.coefficient == 0.0 {
            return;
        }
        let same = |other: &Term| {
            other.factors.len() == term.factors.len()
                && other.factors.iter().all(|factor| term.factors.contains(factor))
        };
        match self.terms.iter_mut().find(|other| same(other)) {
            Some(other) => other.coefficient += term.coefficient,
            None => self.terms.push(term),
        }
        self.terms.retain(|term| term.coefficient != 0.0);
    }

    /// `self + scale * other`
    pub fn plus(mut self, other: &Polynomial, scale: f64) -> Polynomial {
        for term in &other.terms {
            self.gather(Term { coefficient: term.coefficient * scale, factors: term.factors.clone() });
        }
        self
    }

    /// `scale * self`
    pub fn times(mut self, scale: f64) -> Polynomial {
        self.terms.iter_mut().for_each(|term| term.coefficient *= scale);
        self.terms.retain(|term| term.coefficient != 0.0);
        self
    }

    /// A product; a product of two sums is not multiplied out, but taken whole factor by factor.
    fn product(self, left: &Expr, other: &Polynomial, right: &Expr) -> Polynomial {
        if let Some(scale) = other.constant() {
            return self.times(scale);
        }
        if let Some(scale) = self.constant() {
            return other.clone().times(scale);
        }
        let (a, b) = match (self.terms.len() > 1, other.terms.len() > 1) {
            (true, true) => (Polynomial::whole(left), Polynomial::whole(right)),
            _ => (self, other.clone()),
        };
        let mut result = Polynomial::default();
        for x in &a.terms {
            for y in &b.terms {
                let mut factors = x.factors.clone();
                for (factor, power) in &y.factors {
                    match factors.iter_mut().find(|(other, _)| other == factor) {
                        Some((_, sum)) => *sum += power,
                        None => factors.push((factor.clone(), *power)),
                    }
                }
                factors.retain(|(_, power)| *power != 0);
                result.gather(Term { coefficient: x.coefficient * y.coefficient, factors });
            }
        }
        result
    }

    /// Instructions for it: terms with equal coefficients are added before they are multiplied.
    pub fn emit(&self, b: &mut Builder, names: &mut Names) -> Value {
        let (mut constant, mut groups): (f64, Vec<(f64, Value)>) = (0.0, Vec::new());
        for term in &self.terms {
            if term.factors.is_empty() {
                constant += term.coefficient;
                continue;
            }
            let product = emit_factors(b, names, &term.factors);
            match groups.iter_mut().find(|(coefficient, _)| coefficient.abs() == term.coefficient.abs()) {
                Some((coefficient, sum)) => {
                    let operation = if *coefficient == term.coefficient { Binary::Add } else { Binary::Subtract };
                    *sum = b.binary(operation, *sum, product);
                }
                None => groups.push((term.coefficient, product)),
            }
        }
        let mut result = b.number(constant);
        for (coefficient, sum) in groups {
            result = match coefficient {
                -1.0 => b.binary(Binary::Subtract, result, sum),
                _ => {
                    let coefficient = b.number(coefficient);
                    let product = b.multiply(sum, coefficient);
                    b.add(result, product)
                }
            };
        }
        result
    }
}

fn emit_factors(b: &mut Builder, names: &mut Names, factors: &[(Expr, i32)]) -> Value {
    let (mut numerator, mut denominator) = (b.number(1.0), b.number(1.0));
    for (factor, power) in factors {
        let value = expression::number(b, names, factor);
        let exponent = b.number(f64::from(power.abs()));
        let raised = b.binary(Binary::Power, value, exponent);
        match *power > 0 {
            true => numerator = b.multiply(numerator, if *power == 1 { value } else { raised }),
            false => denominator = b.multiply(denominator, if *power == -1 { value } else { raised }),
        }
    }
    b.binary(Binary::Divide, numerator, denominator)
}
