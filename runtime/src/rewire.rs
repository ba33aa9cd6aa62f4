//! Synapses that get another source while a program runs. They keep their places in all arrays, and their targets.

use nmc_program::{Connection, Pattern};

use crate::connect::Wiring;
use crate::random::Key;

/// Gives the synapses listed, in ascending order, another source each, and tells those that got one. `key`: whose elements are synapses.
pub fn rewire(connection: &Connection, wiring: &mut Wiring, gone: &[u32], key: Key) -> Vec<u32> {
    let mut reaching = vec![Vec::new(); connection.target_len];
    let place = |wiring: &Wiring, synapse: u32| wiring.targets[synapse as usize] as usize - connection.target_start;
    gone.iter().for_each(|&synapse| reaching[place(wiring, synapse)].push(u32::MAX));
    // The sources that reach each of the targets concerned, those that cannot be chosen among them.
    for (&source, &target) in wiring.sources.iter().zip(&wiring.targets) {
        let known = &mut reaching[target as usize - connection.target_start];
        if !known.is_empty() {
            known.push(source - connection.source_start as u32);
        }
    }
    for (target, known) in reaching.iter_mut().enumerate() {
        known.extend(itself(connection, target));
        known.sort_unstable();
        known.dedup();
        known.pop_if(|last| *last == u32::MAX);
    }
    let mut drawn = Vec::new();
    for &synapse in gone {
        let known = &mut reaching[place(wiring, synapse)];
        let free = connection.source_len - known.len();
        if free == 0 {
            continue;
        }
        // That of so many which are free, counted past those which are not.
        let mut source = (Key { element: synapse, ..key }.uniform_f64() * free as f64) as u32;
        let mut at = 0;
        while at < known.len() && known[at] <= source {
            (source, at) = (source + 1, at + 1);
        }
        known.insert(at, source);
        wiring.sources[synapse as usize] = source + connection.source_start as u32;
        drawn.push(synapse);
    }
    if !drawn.is_empty() {
        list(connection, wiring);
    }
    drawn
}

/// The source that is the target itself, where the connection leaves that out.
fn itself(connection: &Connection, target: usize) -> Option<u32> {
    let out = match connection.pattern {
        Pattern::AllToAll { itself }
        | Pattern::Random { itself, .. }
        | Pattern::Likely { itself, .. }
        | Pattern::FixedInDegree { itself, .. }
        | Pattern::FixedOutDegree { itself, .. }
        | Pattern::FixedTotalNumber { itself, .. } => !itself,
        Pattern::OneToOne | Pattern::Matrix(_) | Pattern::List { .. } => false,
    };
    let own = (target + connection.target_start).checked_sub(connection.source_start);
    own.filter(|own| out && connection.same && *own < connection.source_len).map(|own| own as u32)
}

/// Lists the synapses of each source anew, by target.
pub fn list(connection: &Connection, wiring: &mut Wiring) {
    let mut out = vec![Vec::new(); connection.source_len];
    for (synapse, &source) in wiring.sources.iter().enumerate() {
        out[source as usize - connection.source_start].push(synapse as u32);
    }
    out.iter_mut().for_each(|row| row.sort_by_key(|&synapse| wiring.targets[synapse as usize]));
    wiring.redrawn(out, connection.source_start + connection.source_len - 1);
}
