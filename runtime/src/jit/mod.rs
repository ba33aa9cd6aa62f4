//! Machine code for kernels, by Cranelift, and tuned products. `unsafe` stands here and nowhere else in the project.
#![allow(unsafe_code)]

mod body;
mod calls;
mod emit;
mod function;
pub mod product;

use std::ops::Range;

use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, Signature, Type, types};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module};
use nmc_program::{Access, Draw, Effect, Initial, Inst, Kernel, KernelId, Len, Op, Program, Slot, WrittenBy};
use smallvec::SmallVec;

use crate::fuse::fuse;
use crate::interpreter::Computable;
use crate::math::has_fma;
use crate::random::Key;
use crate::state::{Buffer, Clock, Indices, Kernels, Real, Synapses, spike_bytes};
use crate::team;
use body::Calls;
use calls::Args;

type Code = extern "C" fn(*const Args);
/// Where the arrays of a kernel begin.
type Slots = SmallVec<[*mut u8; 16]>;

/// The compiled kernels of a program.
pub struct Jit {
    /// Present until dropped.
    module: Option<JITModule>,
    kernels: Vec<Kernel>,
    dense: Vec<Option<Code>>,
    indexed: Vec<Option<Code>>,
    facts: Vec<Facts>,
}

/// What is asked of a kernel with every call.
struct Facts {
    /// Whether it asks for sources and for targets of synapses.
    asks: (bool, bool),
    /// Whether it marks spikes.
    marks: bool,
    /// Whether no element reads or writes what another writes.
    apart: bool,
    draws: Vec<(Draw, u32)>,
}

impl Facts {
    fn of(kernel: &Kernel) -> Self {
        let marks = kernel.body.iter().any(|inst| matches!(inst, Inst::Spike(_)));
        Facts { asks: function::asks(kernel), marks, apart: apart(kernel), draws: calls::draws(kernel) }
    }
}

/// Whether no element reads or writes what another writes.
fn apart(kernel: &Kernel) -> bool {
    let stored = |slot: &Slot| match slot.access {
        Access::Element { offset } => {
            let alike = |other: &&Slot| other.access == Access::Element { offset } || other.array != slot.array;
            kernel.slots.iter().all(|other| alike(&other))
        }
        Access::Broadcast { .. } | Access::Source | Access::Target | Access::Synapse => false,
    };
    let mut stores = kernel.body.iter().filter_map(|inst| {
        let Inst::Store { slot, .. } = inst else { return None };
        Some(&kernel.slots[*slot as usize])
    });
    stores.all(stored)
}

// SAFETY: the module is only touched when it is dropped; the code it holds is read-only.
unsafe impl Sync for Jit {}

impl Drop for Jit {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: nobody runs the code any more, and the pointers to it go with `self`.
            unsafe { module.free_memory() };
        }
    }
}

/// How the kernels of a program are run.
fn forms(program: &Program) -> (Vec<bool>, Vec<bool>) {
    let mut dense = vec![false; program.kernels.len()];
    let mut indexed = dense.clone();
    for array in &program.arrays {
        if let Initial::Kernel(kernel) = array.initial {
            let over_synapses = matches!(array.len, Len::Synapses(_));
            let form = if over_synapses { &mut indexed } else { &mut dense };
            form[kernel.index()] = true;
        }
    }
    for connection in &program.connections {
        if let Effect::Kernel(kernel) = connection.on_pre {
            indexed[kernel.index()] = true;
        }
    }
    let learned = program.learning().flat_map(|learning| &learning.layers).flat_map(|layer| &layer.matrices);
    for cells in program.matrices.iter().filter_map(|matrix| matrix.cells.as_ref()) {
        if let Some(current) = &cells.current {
            dense[current.kernel.index()] = true;
        }
    }
    for learner in learned {
        let fast = learner.fast.as_ref();
        let pulsed = learner.pulsed.iter().chain(fast.map(|fast| &fast.pulsed)).map(|pulsed| pulsed.pulse.kernel);
        pulsed.chain(fast.map(|fast| fast.kernel)).for_each(|kernel| dense[kernel.index()] = true);
    }
    for written in program.matrices.iter().filter_map(|matrix| matrix.cells.as_ref()?.written.as_ref()) {
        let half_selected = written.half_selected.iter().map(|other| other.kernel);
        half_selected.chain([written.pulse.kernel]).for_each(|kernel| dense[kernel.index()] = true);
        if let WrittenBy::Verify { kernel, .. } = written.way {
            dense[kernel.index()] = true;
        }
    }
    let backward = program.learning().flat_map(|learning| &learning.backward);
    for op in program.stages().into_iter().flat_map(|(_, ops)| ops).chain(backward) {
        if let Op::Kernel { kernel, .. } | Op::Substeps { kernel, .. } = op {
            dense[kernel.index()] = true;
        }
        if let Op::OnSpikes { kernel, .. }
        | Op::OnPost { kernel, .. }
        | Op::Synapses { kernel, .. }
        | Op::Rewire { fresh: kernel, .. }
        | Op::Substeps { kernel, .. } = op
        {
            indexed[kernel.index()] = true;
        }
    }
    (dense, indexed)
}

impl Jit {
    /// Compiles the kernels; the error says what could not be compiled.
    pub fn new(program: &Program) -> Result<Self, String> {
        let wide = program.precision == nmc_program::Precision::F64;
        let mut module = module(wide)?;
        let (dense, indexed) = forms(program);
        let kernels: Vec<Kernel> = program.kernels.iter().map(fuse).collect();
        let mut compile = |wanted: &[bool], listed: bool| -> Result<Vec<Option<FuncId>>, String> {
            kernels
                .iter()
                .zip(wanted)
                .map(|(kernel, &wanted)| {
                    let id = wanted.then(|| {
                        if wide {
                            define::<true>(&mut module, kernel, listed)
                        } else {
                            define::<false>(&mut module, kernel, listed)
                        }
                    });
                    id.transpose().map_err(|error| format!("kernel {}: {error}", kernel.name))
                })
                .collect()
        };
        let (dense, indexed) = (compile(&dense, false)?, compile(&indexed, true)?);
        module.finalize_definitions().map_err(|error| error.to_string())?;
        let code = |id: Option<FuncId>| {
            // SAFETY: the function was defined with just this signature.
            id.map(|id| unsafe { std::mem::transmute::<*const u8, Code>(module.get_finalized_function(id)) })
        };
        let dense = dense.into_iter().map(code).collect();
        let indexed = indexed.into_iter().map(code).collect();
        let facts = kernels.iter().map(Facts::of).collect();
        Ok(Jit { module: Some(module), kernels, dense, indexed, facts })
    }

    /// Where the arrays of a kernel's slots begin in a lane, checked to hold the elements below `len`.
    fn slots<T: Real>(&self, kernel: KernelId, buffers: &mut [Buffer<T>], lane: usize, len: usize) -> Slots {
        let slot = |slot: &Slot| {
            let array = buffers[slot.array.index()].lane_mut(lane);
            let needed = match slot.access {
                Access::Element { offset } => offset + len,
                Access::Broadcast { offset } => offset + 1,
                Access::Synapse => len,
                // Checked where sources and targets are known.
                Access::Source | Access::Target => 0,
            };
            assert!(needed <= array.len(), "a kernel reaches beyond its array");
            array.as_mut_ptr().cast::<u8>()
        };
        self.kernels[kernel.index()].slots.iter().map(slot).collect()
    }

    /// Calls a function for a lane.
    fn call<T: Real>(
        &self,
        code: Code,
        kernel: KernelId,
        buffers: &mut [Buffer<T>],
        lane: usize,
        len: usize,
        mut args: Args,
    ) {
        let slots = self.slots(kernel, buffers, lane, len);
        args.slots = slots.as_ptr();
        code(&raw const args);
    }
}

fn args(clock: Clock) -> Args {
    let null = std::ptr::null();
    let (spikes, slots, draws) = (std::ptr::null_mut(), std::ptr::null(), std::ptr::null());
    let Clock { seed, tick, sample, time } = clock;
    Args { slots, draws, start: 0, end: 0, list: null, sources: null, targets: null, spikes, time, seed, tick, sample }
}

/// Elements that are worth another thread, of a kernel that draws nothing.
const LEAST: usize = 16_384;

/// A call that threads do parts of.
struct Parted(Args);

// SAFETY: parts of a call write to elements of their own and to whole bytes of spikes of their own (they begin at multiples of 64 elements); what
// else they share they read.
unsafe impl Sync for Parted {}

impl Parted {
    /// The call for some elements.
    fn of(&self, part: &Range<usize>) -> Args {
        Args { start: part.start as u64, end: part.end as u64, ..self.0 }
    }
}

/// Random numbers of some elements, for each of the kernel's draws.
fn draw_ahead<T: Computable>(draws: &[(Draw, u32)], component: u32, part: &Range<usize>, clock: Clock) -> Vec<Vec<T>> {
    let (seed, tick, sample) = (clock.seed, clock.tick as u32, clock.sample as u32);
    let drawn = draws.iter().map(|&(draw, number)| {
        let key = Key { seed, component, element: part.start as u32, number, tick, sample };
        let mut numbers = vec![T::default(); part.len()];
        T::draw_all(key, draw, &mut numbers);
        numbers
    });
    drawn.collect()
}

impl<T: Computable> Kernels<T> for Jit {
    fn dense(
        &self,
        kernel: KernelId,
        buffers: &mut [Buffer<T>],
        lane: usize,
        len: usize,
        clock: Clock,
        spikes: Option<&mut [u8]>,
        synapses: Option<Synapses>,
    ) {
        if let Some(synapses) = synapses {
            let all = [(0, len as u32)];
            self.synapses(kernel, buffers, lane, Synapses { indices: Indices::Ranges(&all), ..synapses }, clock);
            return;
        }
        let Some(code) = self.dense[kernel.index()] else {
            assert!(self.kernels[kernel.index()].body.is_empty(), "a kernel that nothing was to run over whole arrays");
            return;
        };
        let mut args = args(clock);
        args.end = len as u64;
        if let Some(spikes) = spikes {
            assert!(spikes.len() >= spike_bytes::<T>(len), "too few bytes for the spikes");
            spikes.fill(0);
            args.spikes = spikes.as_mut_ptr();
        } else {
            assert!(!self.facts[kernel.index()].marks, "a kernel marks spikes that nobody takes");
        }
        let (draws, component) = (&self.facts[kernel.index()].draws, self.kernels[kernel.index()].component);
        let slots = self.slots(kernel, buffers, lane, len);
        args.slots = slots.as_ptr();
        let shared = Parted(args);
        let least = match (self.facts[kernel.index()].apart, draws.is_empty()) {
            (false, _) => usize::MAX,
            (true, true) => LEAST,
            (true, false) => LEAST / 8,
        };
        team::parts(len, least, |part| {
            let mut args = shared.of(&part);
            let ahead = draw_ahead::<T>(draws, component, &part, clock);
            // Tables begin with the first element of the part, addresses with the first of all.
            let tables: SmallVec<[*const u8; 4]> =
                ahead.iter().map(|numbers| numbers.as_ptr().wrapping_sub(part.start).cast()).collect();
            args.draws = tables.as_ptr();
            code(&raw const args);
        });
    }

    fn list(&self, kernel: KernelId, buffers: &mut [Buffer<T>], lane: usize, elements: &[u32], clock: Clock) {
        let Some(code) = self.indexed[kernel.index()] else { return };
        assert!(self.facts[kernel.index()].asks == (false, false), "a kernel asks for synapses where there are none");
        let mut args = args(clock);
        args.end = elements.len() as u64;
        args.list = elements.as_ptr();
        let len = elements.iter().max().map_or(0, |&last| last as usize + 1);
        self.call(code, kernel, buffers, lane, len, args);
    }

    fn synapses(&self, kernel: KernelId, buffers: &mut [Buffer<T>], lane: usize, synapses: Synapses, clock: Clock) {
        let Some(code) = self.indexed[kernel.index()] else { return };
        let mut args = args(clock);
        args.sources = synapses.sources.as_ptr();
        args.targets = synapses.targets.as_ptr();
        let len = match synapses.indices {
            Indices::Ranges(ranges) => ranges.iter().map(|&(_, end)| end).max().unwrap_or(0) as usize,
            Indices::List(list) => list.iter().max().map_or(0, |&last| last as usize + 1),
        };
        if len == 0 {
            return;
        }
        let (source, target) = self.facts[kernel.index()].asks;
        let known = |asked: bool, known: &[u32]| !asked || len <= known.len();
        assert!(known(source, synapses.sources) && known(target, synapses.targets), "a synapse that does not exist");
        for slot in &self.kernels[kernel.index()].slots {
            let held = buffers[slot.array.index()].lane(lane).len();
            let fits = match slot.access {
                Access::Source => (synapses.largest.0 as usize) < held,
                Access::Target => (synapses.largest.1 as usize) < held,
                Access::Element { .. } | Access::Broadcast { .. } | Access::Synapse => true,
            };
            assert!(fits, "a synapse joins a neuron that does not exist");
        }
        let slots = self.slots(kernel, buffers, lane, len);
        args.slots = slots.as_ptr();
        match synapses.indices {
            Indices::Ranges(ranges) => {
                for &(start, end) in ranges {
                    (args.start, args.end) = (u64::from(start), u64::from(end));
                    code(&raw const args);
                }
            }
            Indices::List(list) => {
                (args.end, args.list) = (list.len() as u64, list.as_ptr());
                code(&raw const args);
            }
        }
    }
}

/// A module for this processor, with the functions that kernels call.
fn module(wide: bool) -> Result<JITModule, String> {
    let mut flags = settings::builder();
    let wanted = [
        ("opt_level", "speed"),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        ("is_pic", "false"),
    ];
    for (name, value) in wanted {
        flags.set(name, value).map_err(|error| error.to_string())?;
    }
    let isa = cranelift_native::builder().map_err(String::from)?;
    let isa = isa.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())?;
    let mut builder = JITBuilder::with_isa(isa, cranelift_module::default_libcall_names());
    for (name, address, _) in calls::table(wide) {
        builder.symbol(name, address);
    }
    builder.symbol("draw", calls::draw(wide));
    Ok(JITModule::new(builder))
}

/// Every form of every kernel that is compiled, by name, in Cranelift's text form, before its optimisation.
pub fn listing(program: &Program) -> Result<Vec<(String, String)>, String> {
    let wide = program.precision == nmc_program::Precision::F64;
    let mut module = module(wide)?;
    let (dense, indexed) = forms(program);
    let mut texts = Vec::new();
    for (index, kernel) in program.kernels.iter().map(fuse).enumerate() {
        for (listed, word) in [(false, "dense"), (true, "listed")] {
            if if listed { indexed[index] } else { dense[index] } {
                let translated = if wide {
                    translate::<true>(&mut module, &kernel, listed)
                } else {
                    translate::<false>(&mut module, &kernel, listed)
                };
                let (_, context) = translated.map_err(|error| format!("kernel {}: {error}", kernel.name))?;
                texts.push((format!("{} ({word})", kernel.name), context.func.display().to_string()));
            }
        }
    }
    Ok(texts)
}

/// Compiles one form of one kernel.
fn define<const WIDE: bool>(module: &mut JITModule, kernel: &Kernel, listed: bool) -> Result<FuncId, String> {
    let (function, mut context) = translate::<WIDE>(module, kernel, listed)?;
    module.define_function(function, &mut context).map_err(|error| format!("{error:?}"))?;
    Ok(function)
}

/// Translates one form of one kernel.
fn translate<const WIDE: bool>(
    module: &mut JITModule,
    kernel: &Kernel,
    listed: bool,
) -> Result<(FuncId, Context), String> {
    let pointer = module.target_config().pointer_type();
    let signature = |module: &JITModule, params: &[Type], returns: &[Type]| {
        let mut signature = Signature::new(module.target_config().default_call_conv);
        signature.params.extend(params.iter().map(|&ty| AbiParam::new(ty)));
        signature.returns.extend(returns.iter().map(|&ty| AbiParam::new(ty)));
        signature
    };
    let float = if WIDE { types::F64 } else { types::F32 };
    let mut context = module.make_context();
    context.func.signature = signature(module, &[pointer], &[]);
    let function = module.declare_anonymous_function(&context.func.signature).map_err(|error| error.to_string())?;
    let mut import = |name: &str, params: &[Type]| {
        let signature = signature(module, params, &[float]);
        let id = module.declare_function(name, Linkage::Import, &signature).map_err(|error| error.to_string())?;
        Ok::<_, String>(module.declare_func_in_func(id, &mut context.func))
    };
    let calls = Calls {
        sin: import("sin", &[float])?,
        cos: import("cos", &[float])?,
        tanh: import("tanh", &[float])?,
        power: import("power", &[float, float])?,
        draw: import("draw", &[pointer, types::I32, types::I64, types::I32, types::I32])?,
    };
    let mut holder = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut context.func, &mut holder);
    if listed {
        function::indexed::<WIDE>(&mut builder, kernel, calls, has_fma())?;
    } else {
        function::dense::<WIDE>(&mut builder, kernel, calls, has_fma())?;
    }
    builder.seal_all_blocks();
    builder.finalize(module.target_config());
    Ok((function, context))
}
