//! The syntax tree: what was written, with its place; nothing here has a meaning yet.
//!
//! One statement type serves every block; which statements a block may hold is checked by the
//! compiler, so that a misplaced statement gets a message of its own and not a syntax error.

use crate::span::Span;

/// A parsed file. Present even when there were errors; what could not be parsed is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Items in the order written.
    pub items: Vec<Item>,
    /// Every comment (`//` and `///`), in the order written, for the formatter.
    pub comments: Vec<Comment>,
}

/// A comment with its slashes, without the line end.
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    /// The text, from the first slash.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// A name where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Ident {
    /// The name.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// Something at the top level of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `use std.neuron.lif` or `use std.device.{hfox_1t1r, pcm}`
    Use(Use),
    /// `const NAME = EXPR`
    Constant(Constant),
    /// Every block: `network`, `neuron`, `chip`, …
    Block(Block),
}

/// `use a.b.{c, d}`: each of `names` becomes visible; without braces the last segment is the name.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// Segments before the names: `a`, `b`.
    pub path: Vec<Ident>,
    /// Names brought in.
    pub names: Vec<Ident>,
    /// Whether `{…}` was written.
    pub braces: bool,
    /// The whole item.
    pub span: Span,
}

/// `const NAME = EXPR`
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// Lines of `///` before it, without the slashes.
    pub doc: Vec<String>,
    /// The name.
    pub name: Ident,
    /// Its value.
    pub value: Expr,
    /// The whole item.
    pub span: Span,
}

/// The word a block starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    Network,
    Neuron,
    Synapse,
    Plasticity,
    Encoder,
    Decoder,
    Device,
    Converter,
    Unit,
    Tile,
    Core,
    Chip,
    Experiment,
}

/// `KIND NAME(params) -> (outputs) { body }` or `KIND NAME(params): from -> to { body }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Lines of `///` before it, without the slashes.
    pub doc: Vec<String>,
    /// Which kind of block.
    pub kind: BlockKind,
    /// Its name.
    pub name: Ident,
    /// What stands in parentheses: parameters and, in a network, input ports.
    pub params: Vec<Param>,
    /// A network's outputs (`-> (scores: real[10])`).
    pub outputs: Vec<Param>,
    /// What a converter, unit, encoder or decoder joins (`: voltage -> bits(8)`).
    pub joins: Option<(Box<Type>, Box<Type>)>,
    /// The statements between the braces.
    pub body: Vec<Stmt>,
    /// The whole item.
    pub span: Span,
}

/// `name: type = default`; the type may be absent (`converter sar(bits)`).
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// The name.
    pub name: Ident,
    /// The type, if written.
    pub ty: Option<Box<Type>>,
    /// The default, if written.
    pub default: Option<Expr>,
    /// All of it.
    pub span: Span,
}

/// `real[28, 28]`, `bits(8)`, `time`. Boxed where it stands: the parser moves small statements about faster.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// The word.
    pub name: Ident,
    /// In parentheses: `bits(8)`.
    pub args: Vec<Expr>,
    /// In brackets; empty for a scalar.
    pub shape: Vec<Expr>,
    /// All of it.
    pub span: Span,
}

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Stmt {
    /// Lines of `///` before it, without the slashes.
    pub doc: Vec<String>,
    /// What it is.
    pub kind: StmtKind,
    /// All of it.
    pub span: Span,
}

/// What a statement is.
#[derive(Debug, Clone, PartialEq)]
pub enum StmtKind {
    // ---- in networks -------------------------------------------------------------------
    /// `population exc: lif[3200](tau: 20 ms)`; inside `for`, the name may carry indices: `column[i]`.
    /// `{ x: uniform(0 mm, 1 mm) }` behind it are values of each element that its equations do not know.
    Population { name: Ident, indices: Vec<Expr>, model: Ident, shape: Vec<Expr>, args: Vec<Arg>, values: Vec<Field> },
    /// `connect a, b -> (c, d[0..5]) { pattern: …, weight: … }`; with a name: `connect syn: a -> b { … }`.
    Connect { name: Option<Ident>, from: Vec<Expr>, to: Vec<Expr>, fields: Vec<Field> },
    /// `probe exc.spikes, exc[0..4].v every 1 ms`; `probe plastic.w histogram 50 every 1 s`, `probe exc.v every 1 ms from start`
    Probe { signals: Vec<Expr>, histogram: Option<Expr>, every: Option<Expr>, start: bool },
    /// `SIGNAL -> TARGET`: drives an output port or a population's input.
    Flow { value: Expr, target: Expr },
    // ---- in equations ------------------------------------------------------------------
    /// `input dendrite: current at v_d`: `v_d` is what synapses that lead there find as `post.v`.
    Input { name: Ident, ty: Box<Type>, at: Option<Ident> },
    /// `state v: voltage = uniform(v_reset, v_thresh)`
    State { name: Ident, ty: Box<Type>, initial: Option<Expr> },
    /// `next h = tanh(z)`
    Next { name: Ident, value: Expr },
    /// `trace x: real, tau_plus on pre { x += 1 }`: a state that decays with `tau`, and its rule.
    Trace { name: Ident, ty: Box<Type>, tau: Expr, on: Option<(Ident, Vec<Stmt>)> },
    /// `v' = …`
    Derivative { name: Ident, value: Expr },
    /// `spike when v > v_thresh { v = v_reset; hold v for refractory }`
    SpikeWhen { condition: Expr, body: Vec<Stmt> },
    /// `when v > limit { n += 1 }`: an event that is no spike.
    When { condition: Expr, body: Vec<Stmt> },
    /// `on pre { … }`, `on post { … }`, `on reward { … }`
    On { event: Ident, body: Vec<Stmt> },
    /// `every 1 s { w *= target / sum(w) }`
    Every { interval: Expr, body: Vec<Stmt> },
    /// `rewire when w < 0.01 nS`, in `every 1 s { … }`
    Rewire { condition: Expr },
    /// `hold v for 5 ms`
    Hold { name: Ident, duration: Expr },
    /// `w in 0 .. w_max`
    Bounds { name: Ident, low: Expr, high: Expr },
    /// `emit poisson(rate)`
    Emit { value: Expr },
    /// `emit once at window * (1 - x)`
    EmitOnce { at: Expr },
    /// `emit when x > theta`
    EmitWhen { condition: Expr },
    // ---- everywhere ----------------------------------------------------------------------
    /// `name = value`: a binding, an output (`conductance = …`) or, in a rule, an assignment.
    /// With an operator (`+=`, `-=`, `*=`, `/=`), a change.
    Assign { target: Expr, op: AssignOp, value: Expr },
    /// `key: value`, in hardware blocks and in `deploy`. The key may be two words: `noise read: …`.
    Field(Field),
    /// `for i in 0..4 { … }`
    For { variable: Ident, range: Expr, body: Vec<Stmt> },
    /// `if n > 3 { … } else { … }`
    If { condition: Expr, then: Vec<Stmt>, otherwise: Vec<Stmt> },
    // ---- in experiments ------------------------------------------------------------------
    /// `deploy net(hidden: 128) on chip(cores: 2) { minimise: energy; pin hidden: voltage }`; without `on`: the ideal chip.
    Deploy { network: Expr, chip: Option<Expr>, body: Vec<Stmt> },
    /// `pin hidden: voltage`, in `deploy`.
    Pin { target: Expr, value: Expr },
    /// `data digits = load("mnist.npz")`
    Data { name: Ident, value: Expr },
    /// `run for 1 s { step: 0.1 ms }`
    Run { duration: Expr, fields: Vec<Field>, clauses: Vec<Clause> },
    /// `train { u: series.x } expect … ` / `test sequence { image: digits.x / 255 } expect argmax(scores) == digits.y`
    Present { phase: Phase, sequence: bool, inputs: Vec<Field>, clauses: Vec<Clause> },
    /// `require accuracy >= 97 % and max loss < 1`: the experiment fails (exit 1) when one of them does not hold.
    Require { all: Vec<Requirement> },
    /// `report accuracy, energy`
    Report { names: Vec<Ident> },
}

/// `mean accuracy >= 97 %`
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    /// The word that says of which number over several chips.
    pub over: Option<Ident>,
    /// What must hold.
    pub condition: Expr,
}

/// Which part of an experiment inputs are presented for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Train,
    Test,
}

/// What follows the inputs of `train` and `test`.
#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    /// `for 50 ms`: how long each sample is presented.
    For(Expr),
    /// `expect argmax(scores) == digits.y`: gives the metric `accuracy`; in `train`, the target (`expect y == series.y`).
    Expect(Expr),
    /// `measure error = nrmse(y, series.y)`
    Measure(Ident, Expr),
    /// `by backprop(rate: 0.1, batch: 10)`: how `train` learns.
    By(Expr),
}

/// `key: value`
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Lines of `///` before it, without the slashes.
    pub doc: Vec<String>,
    /// One or two words (`freeze plastic`, with the value `true`); three of `set exc.bias = 0.2 nA`.
    pub key: Vec<Ident>,
    /// Of `set exc[0..5].bias = 0.2 nA`: which elements.
    pub elements: Vec<Expr>,
    /// The value.
    pub value: Expr,
    /// `drive: data["i"] every 1 ms`: how long each row is shown.
    pub every: Option<Expr>,
    /// `r = abs(pre.x - post.x)`, in a connection: a name for an expression that its fields may use.
    pub named: bool,
    /// All of it.
    pub span: Span,
}

/// `=`, `+=`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignOp {
    Set,
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// An argument: `0.1 ms` or `tau: 20 ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// The parameter's name, if written.
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// All of it.
    pub span: Span,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `20`, `1.5e-3`, `20 ms`, `10 uA/cm2`, `5 %`, `0.5 pJ per bit`.
    Number {
        /// The number without its unit.
        value: f64,
        /// The unit as written (`ms`, `uA/cm2`, `%`), absent for a bare number. Its syntax is a
        /// product and quotient of names with optional integer exponents; the compiler gives it a meaning.
        unit: Option<String>,
        /// Digits and unit exactly as written, for the formatter.
        text: String,
    },
    /// `"mnist.npz"`, without the quotes, escapes resolved.
    Text(String),
    /// `true`, `false`
    Bool(bool),
    /// `ideal`, `v`, `weights`
    Name(String),
    /// `exc.spikes`
    Member(Box<Expr>, Ident),
    /// `exc[0..4, 2]`; an index may be a range.
    Index(Box<Expr>, Vec<Expr>),
    /// `dense(w, bias: b)`; the callee is a name, a path or an indexed name (`hfox[256, 256](…)`).
    Call(Box<Expr>, Vec<Arg>),
    /// `-x`, `not x`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a .. b`, half open when it indexes, a closed interval of values elsewhere.
    Range(Box<Expr>, Box<Expr>),
    /// `if c then a else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `x |> relu`
    Pipe(Box<Expr>, Box<Expr>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `(a, b)`; one element in parentheses is just that expression.
    Tuple(Vec<Expr>),
    /// `iterate(3000) { x = 0.1, y = 0.1 -> 1 - 1.4 * x^2 + y, 0.3 * x }`: a series by recurrence.
    Iterate {
        /// How many values.
        count: Box<Expr>,
        /// Names and first values.
        start: Vec<(Ident, Expr)>,
        /// The next values, in the same order.
        next: Vec<Expr>,
    },
    /// Stands where an expression could not be parsed; its error has been reported.
    Error,
}

/// `-`, `not`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    Negate,
    Not,
}

/// From the loosest to the tightest: `or` · `and` · comparisons · `+ -` · `* / of` · unary · `^`.
/// `|>` and `..` are looser than all of them; `x |> f` is looser than `..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    Or,
    And,
    /// Also `or` between alternatives in hardware fields (`pulse_width(4) or voltage`) is `Or`.
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    /// `2 % of range`: a product that reads well; `grid(8, 6) of cim` in a chip.
    Of,
    Power,
}
