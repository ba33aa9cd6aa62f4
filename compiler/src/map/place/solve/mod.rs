//! Where on a mesh of cores parts go that talk to each other, as near as can be; knows nothing of networks or chips.

mod bound;
mod coarsen;
mod curve;
mod dice;
mod exact;
mod fit;
mod layout;
mod level;
mod nets;
mod refine;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use bound::Bound;
use dice::Dice;
use layout::Layout;
use level::Level;

/// What is to be placed, and on what.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Width and height of the mesh; core = y * width + x.
    pub grid: (usize, usize),
    /// Kind of each core.
    pub cores: Vec<usize>,
    /// What a core of each kind holds of each resource; infinity: no limit.
    pub room: Vec<Vec<f64>>,
    /// Things that sit on one core whole.
    pub parts: Vec<Part>,
    /// Values sent from one end to others, multicast.
    pub nets: Vec<Net>,
    /// Parts that are to be one link apart at most.
    pub near: Vec<(usize, usize)>,
    /// The core at which the host's link enters the mesh.
    pub port: usize,
}

/// A thing that sits on one core whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Resource and amount, finite and not below zero.
    pub needs: Vec<(usize, f64)>,
    /// The core it is pinned to.
    pub fixed: Option<usize>,
}

/// A value sent from one end to others along the tree of its routes.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    pub from: End,
    pub to: Vec<End>,
    /// Bits a sample.
    pub bits: f64,
}

/// Where a value starts or arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Part(usize),
    Host,
}

/// A core for every part, and what that costs in bit-hops a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    pub core: Vec<usize>,
    pub cost: f64,
    /// No placement costs less; equal to the cost where that is proved to be the least.
    pub lower_bound: f64,
    /// What random placements cost on average.
    pub random_cost: f64,
    /// What it costs to put the parts in order along a boustrophedon walk.
    pub snake_cost: f64,
}

/// Why there is no placement.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// No core has room for this part, even alone: what it lacks on the core that comes nearest.
    DoesNotFit { part: usize, resource: usize },
    /// The part is pinned to a core that, with the parts pinned there before it, has no room for it.
    PinDoesNotFit { part: usize, core: usize, resource: usize },
    /// All cores together hold less of a resource than all parts need.
    TooLittle { resource: usize, needed: f64, room: f64 },
    /// No way was found to pack the parts: this one was left over, for want of that resource.
    NotPacked { part: usize, resource: usize },
    /// The problem itself makes no sense: a number that names nothing, an amount that is none.
    Senseless(&'static str),
}

/// Random placements that are averaged.
const RANDOM_DRAWS: u64 = 3;
/// Starts that are refined before the best of them is kept.
const STARTS: usize = 2;

/// The cheapest placement that is found with a fixed amount of work. Where parts that are to be near are not, no better was found; if that
/// is proved, there is none.
pub fn solve(problem: &Problem) -> Result<Placement, Failure> {
    level::validate(problem)?;
    let plain = Level::new(problem);
    // What is to be near is as if it had much to say.
    let tied = (!problem.near.is_empty()).then(|| {
        let all = 1.0 + problem.nets.iter().map(|net| net.bits).sum::<f64>();
        let bits = all * (problem.grid.0 + problem.grid.1) as f64;
        let ties = problem.near.iter().map(|&(a, b)| Net { from: End::Part(a), to: vec![End::Part(b)], bits });
        Level::new(&Problem { nets: problem.nets.iter().cloned().chain(ties).collect(), ..problem.clone() })
    });
    let level = tied.as_ref().unwrap_or(&plain);
    let snake = fit::snake(level)?;
    let least = Bound::new(&plain).whole();
    let of = |at: &[usize]| cost(problem, at);
    let draws = (0..RANDOM_DRAWS).map(|seed| of(&fit::random(level, &snake, &mut Dice::new(seed)))).sum::<f64>();
    let placement = |(_, core): ((usize, f64), Vec<usize>), proved: bool| {
        let cost = of(&core);
        Placement {
            core,
            cost,
            lower_bound: if proved { cost } else { least.min(cost) },
            random_cost: draws / RANDOM_DRAWS as f64,
            snake_cost: of(&snake),
        }
    };
    // How many are too far apart, then what it costs.
    let worth = |at: &[usize]| (problem.far(at), of(at));
    let less = |a: (usize, f64), b: (usize, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));

    let start = |heat: f64| move |at: Vec<usize>| (worth(&at), heat, at);
    let poured = fit::poured(level).into_iter().chain([snake.clone()]);
    let mut starts: Vec<((usize, f64), f64, Vec<usize>)> = poured.map(start(refine::WARM)).collect();
    starts.sort_by(|a, b| less(a.0, b.0));
    let mut best = (starts[0].0, starts[0].2.clone());
    let known = if best.0.0 == 0 { best.0.1 } else { f64::INFINITY };
    let (better, proved) = exact::search(&plain, &problem.near, known, least);
    if let Some(at) = better {
        best = (worth(&at), at);
    }
    if proved {
        return Ok(placement(best, true));
    }
    starts.extend(coarsen::place(level).map(start(refine::COOL)));
    starts.sort_by(|a, b| less(a.0, b.0));
    starts.dedup_by(|a, b| a.2 == b.2);
    starts.truncate(STARTS);
    let polished = starts.into_par_iter().enumerate().map(|(index, (before, heat, at))| {
        let mut layout = Layout::new(level, &at);
        refine::polish(&mut layout, STARTS, heat, &mut Dice::new(100 + index as u64));
        let polished = layout.places();
        let after = worth(&polished);
        if less(after, before).is_lt() { (after, polished) } else { (before, at) }
    });
    for found in polished.collect::<Vec<_>>() {
        if less(found.0, best.0).is_lt() {
            best = found;
        }
    }
    let proved = best.0.0 == 0 && exact::meets(best.0.1, least);
    Ok(placement(best, proved))
}

impl Problem {
    /// Parts that are to be near and are not.
    fn far(&self, core: &[usize]) -> usize {
        self.near.iter().filter(|(a, b)| level::apart(self.grid.0, core[*a], core[*b]) > 1).count()
    }
}

/// What no placement costs less than, where all parts find room.
pub fn least(problem: &Problem) -> Result<f64, Failure> {
    level::validate(problem)?;
    let level = Level::new(problem);
    fit::snake(&level)?;
    Ok(Bound::new(&level).whole())
}

/// Bits times links of the tree of x-first routes, summed over the nets; `core` has the core of every part.
pub fn cost(problem: &Problem, core: &[usize]) -> f64 {
    let width = problem.grid.0.max(1);
    let place = |end: &End| {
        let at = match end {
            End::Part(part) => core[*part],
            End::Host => problem.port,
        };
        (at % width, at / width)
    };
    let mut sinks: Vec<(usize, usize)> = Vec::new();
    let mut total = 0.0;
    for net in &problem.nets {
        sinks.clear();
        sinks.extend(net.to.iter().map(place));
        sinks.sort_unstable();
        total += net.bits * nets::links(place(&net.from), &sinks) as f64;
    }
    total
}
