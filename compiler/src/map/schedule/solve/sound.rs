//! Whether a problem can be understood: everything that it names is there, every number can be.

use super::{End, Event, Failure, Problem};

/// No mesh is larger; a chip description with a slip of a few digits is told instead of filling the memory.
const MOST_CORES: usize = 1 << 24;

/// Whether everything the problem names is there.
pub fn check(problem: &Problem) -> Result<(), Failure> {
    let malformed = |why: String| Err(Failure::Malformed(why));
    let cores = problem.grid.0.saturating_mul(problem.grid.1);
    if cores == 0 || cores > MOST_CORES {
        return malformed(format!("a mesh of {} x {} cores", problem.grid.0, problem.grid.1));
    }
    let time = |time: f64| time.is_finite() && time >= 0.0;
    if !time(problem.hop)
        || !time(problem.port_time_per_bit)
        || problem.flit_bits.is_nan()
        || problem.flit_bits <= 0.0
        || problem.port >= cores
    {
        return malformed(String::from("the mesh or the host's port has no sound numbers"));
    }
    if problem.tick.is_some_and(|tick| !time(tick)) {
        return malformed(String::from("a tick that lasts no time"));
    }
    for (index, work) in problem.works.iter().enumerate() {
        let mut needs = std::collections::BTreeMap::new();
        for &(resource, need) in &work.uses {
            let sum: &mut usize = needs.entry(resource).or_default();
            *sum = sum.saturating_add(need);
        }
        let fits = |(resource, need): (&usize, &usize)| {
            problem
                .resources
                .get(*resource)
                .is_some_and(|resource| *need <= resource.count && resource.count <= 1 << 31)
        };
        if work.core >= cores
            || !time(work.time)
            || !time(work.writes_bits)
            || !known(problem, &work.after)
            || !needs.iter().all(fits)
        {
            return malformed(format!("work {index} is on a core, takes a time, or needs something that is not there"));
        }
    }
    for (index, sent) in problem.moves.iter().enumerate() {
        let there = |end: &End| match *end {
            End::Core(core) => core < cores,
            End::Host => sent.from != End::Host,
        };
        if !(there(&sent.from) || sent.from == End::Host)
            || sent.to.is_empty()
            || !sent.to.iter().all(there)
            || !time(sent.bits)
            || !known(problem, &sent.after)
        {
            return malformed(format!("packet {index} has an end, a size, or waits for something that is not there"));
        }
    }
    Ok(())
}

fn known(problem: &Problem, after: &[Event]) -> bool {
    after.iter().all(|event| match *event {
        Event::Work(index) => index < problem.works.len(),
        Event::Move(index) => index < problem.moves.len(),
    })
}
