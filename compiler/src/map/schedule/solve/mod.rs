//! A timetable by modulo scheduling: works and packets of one sample, repeated at the shortest interval that holds.
//!
//! - A packet of n flits is a worm: it occupies each link of its tree for n hops, the head goes one link further each hop, and
//!   nothing stops it on its way. The tree joins the routes along x, then y, to all its cores.
//! - The host's port takes one packet at a time, whole: one from the host is sent on when it has passed the port, one to the host
//!   passes the port when it has arrived at the port's core. The port has room for that packet itself.
//! - A work that occupies something takes at most an interval.
//! - A core holds a packet from its arrival, a result from the end of its work, until the last reader is done with it: a work at
//!   its end, a packet when its tail has left.
//! - Samples share nothing but what they occupy, so any phases that keep resources free will do: precedence is met by waiting.

pub mod check;
mod model;
mod occupy;
mod packet;
mod place;
mod search;
mod sound;
mod table;
#[cfg(test)]
mod tests;

use model::Model;

/// Everything that happens for one sample.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Width and height of the mesh; core = y * width + x.
    pub grid: (usize, usize),
    pub resources: Vec<Resource>,
    pub works: Vec<Work>,
    pub moves: Vec<Move>,
    /// Seconds a flit needs for a link.
    pub hop: f64,
    pub flit_bits: f64,
    /// The core where the host's link enters.
    pub port: usize,
    /// Seconds a bit needs through the host's port; 0: no limit.
    pub port_time_per_bit: f64,
    /// Bits each core can hold; no entry or infinity: no limit.
    pub buffers: Vec<f64>,
    /// Seconds of a biological tick: each sample is one, and must be over before the next.
    pub tick: Option<f64>,
}

/// Equal instances that work side by side.
#[derive(Debug, Clone)]
pub struct Resource {
    pub name: String,
    pub count: usize,
}

/// Something done on a core.
#[derive(Debug, Clone)]
pub struct Work {
    pub core: usize,
    /// Resources and how many of their instances it occupies for its whole time.
    pub uses: Vec<(usize, usize)>,
    pub time: f64,
    pub after: Vec<Event>,
    /// The result held in the core's buffer; 0: what it gives is analog, or nothing.
    pub writes_bits: f64,
}

/// A packet.
#[derive(Debug, Clone)]
pub struct Move {
    pub from: End,
    pub to: Vec<End>,
    pub bits: f64,
    /// Bits that wait at once where it arrives.
    pub kept: f64,
    pub after: Vec<Event>,
}

/// Where packets start and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Core(usize),
    Host,
}

/// What others wait for: the end of a work, the arrival of a packet where it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    Work(usize),
    Move(usize),
}

/// When everything happens within a sample; times in seconds from its start.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    /// Start of each work.
    pub starts: Vec<f64>,
    /// Each packet's way.
    pub moves: Vec<Sent>,
    /// Time between the starts of two samples.
    pub interval: f64,
    /// When the last work and packet of a sample are done.
    pub latency: f64,
    /// No timetable has a shorter interval than this.
    pub lower_bound: f64,
    /// What sets the interval; empty where nothing does.
    pub bottleneck: String,
    /// How long each result that is read waits, from being ready until its last reader has started.
    pub held: Vec<(Event, f64)>,
}

/// A packet's way.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub start: f64,
    /// When it has wholly arrived everywhere.
    pub end: f64,
    /// When it passes the host's port.
    pub port: Option<(f64, f64)>,
    /// Every link of its tree, none before the one that leads to it.
    pub links: Vec<Link>,
}

/// A link and when a packet occupies it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    pub from: usize,
    pub to: usize,
    pub start: f64,
    pub end: f64,
}

/// Why there is no timetable.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The problem names something that is not there; in words.
    Malformed(String),
    /// These wait for one another.
    Cycle(Vec<Event>),
    /// Whatever the interval, a core must hold more bits than it can.
    Buffer { core: usize, needs: f64, room: f64 },
    /// A sample is not over within a tick; with a tick of `needs` seconds it is.
    Tick { needs: f64 },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(why) => f.write_str(why),
            Self::Cycle(events) => write!(f, "these wait for one another: {events:?}"),
            Self::Buffer { core, needs, room } => {
                write!(f, "core {core} must hold {needs} bits, it has room for {room}")
            }
            Self::Tick { needs } => write!(f, "a tick must last {needs} s"),
        }
    }
}

impl std::error::Error for Failure {}

/// Finds the shortest interval at which everything fits, then a short latency; deterministic.
pub fn solve(problem: &Problem) -> Result<Timetable, Failure> {
    let model = Model::new(problem)?;
    let found = search::search(&model)?;
    Ok(model.timetable(&found))
}
