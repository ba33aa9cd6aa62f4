//! Functions that generated code calls for single numbers, and what it is called with.

use crate::interpreter::Computable;
use crate::random::Key;
use nmc_program::{Draw, Inst, Kernel};

/// What a generated function is given.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Args {
    /// First element of each slot's array in this lane.
    pub slots: *const *mut u8,
    /// Random numbers of the elements, drawn ahead, for each of the kernel's `draws`; null for listed elements.
    pub draws: *const *const u8,
    /// Elements (or positions in `list`) `start .. end`.
    pub start: u64,
    pub end: u64,
    /// Null: the positions are the elements.
    pub list: *const u32,
    pub sources: *const u32,
    pub targets: *const u32,
    /// Where synapses lie at even distances: so many of them in whole vectors, then the first and the step of each.
    pub vectors: u64,
    pub synapse: [u64; 2],
    pub source: [u64; 2],
    pub target: [u64; 2],
    pub spikes: *mut u8,
    pub time: f64,
    pub seed: u64,
    pub tick: u64,
    pub sample: u64,
}

/// The different random numbers a kernel draws for an element.
pub fn draws(kernel: &Kernel) -> Vec<(Draw, u32)> {
    let mut found: Vec<(Draw, u32)> = Vec::new();
    for inst in &kernel.body {
        if let Inst::Random { draw, number } = *inst
            && !found.contains(&(draw, number))
        {
            found.push((draw, number));
        }
    }
    found
}

/// Name, address, and how many numbers it takes.
pub fn table(wide: bool) -> [(&'static str, *const u8, usize); 4] {
    if wide {
        [
            ("sin", sin64 as *const u8, 1),
            ("cos", cos64 as *const u8, 1),
            ("tanh", tanh64 as *const u8, 1),
            ("power", power64 as *const u8, 2),
        ]
    } else {
        [
            ("sin", sin32 as *const u8, 1),
            ("cos", cos32 as *const u8, 1),
            ("tanh", tanh32 as *const u8, 1),
            ("power", power32 as *const u8, 2),
        ]
    }
}

/// Address of the function that draws.
pub fn draw(wide: bool) -> *const u8 {
    if wide { draw64 as *const u8 } else { draw32 as *const u8 }
}

macro_rules! numbers {
    ($float:ty, $sin:ident, $cos:ident, $tanh:ident, $power:ident, $draw:ident) => {
        extern "C" fn $sin(x: $float) -> $float {
            f64::from(x).sin() as $float
        }
        extern "C" fn $cos(x: $float) -> $float {
            f64::from(x).cos() as $float
        }
        extern "C" fn $tanh(x: $float) -> $float {
            f64::from(x).tanh() as $float
        }
        extern "C" fn $power(x: $float, y: $float) -> $float {
            f64::from(x).powf(f64::from(y)) as $float
        }
        extern "C" fn $draw(args: &Args, component: u32, element: u64, number: u32, normal: u32) -> $float {
            let (seed, element) = (args.seed, element as u32);
            let key = Key { seed, component, element, number, tick: args.tick as u32, sample: args.sample as u32 };
            <$float>::draw(key, if normal == 0 { Draw::Uniform } else { Draw::Normal })
        }
    };
}
numbers!(f32, sin32, cos32, tanh32, power32, draw32);
numbers!(f64, sin64, cos64, tanh64, power64, draw64);
