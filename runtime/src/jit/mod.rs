//! Machine code for kernels, by Cranelift, and tuned products. `unsafe` stands here and, where threads hand parts of their work over, in `team/crew.rs`.
#![allow(unsafe_code)]

mod body;
mod calls;
mod emit;
mod forms;
mod function;
pub mod product;
#[cfg(test)]
mod tests;
mod wide;

use std::ops::Range;

use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, Signature, Type, types};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module};
use nmc_program::{Access, ArrayId, Draw, Inst, Kernel, KernelId, Program, Slot};
use smallvec::SmallVec;

use crate::fuse::fuse;
use crate::interpreter::Computable;
use crate::math::has_fma;
use crate::random::Key;
use crate::state::{Buffer, Clock, Even, Indices, Kernels, Real, Steps, Synapses, spike_bytes};
use crate::team;
use body::Calls;
use calls::Args;
use forms::{Form, forms, most};
use function::Shared;

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
    even: Vec<Option<Code>>,
    /// Loops of wider vectors over elements, and over synapses at even distances.
    wide: [Vec<Option<Wide>>; 2],
    facts: Vec<Facts>,
}

/// A loop, one for where it stops, and how many elements they take at once.
#[derive(Clone, Copy)]
struct Wide {
    run: wide::Loop,
    never_stops: wide::Loop,
    places: u64,
}

/// The loops that were defined for a kernel.
fn placed(module: &JITModule, (run, never_stops): (FuncId, Option<FuncId>), places: u64) -> Wide {
    let placed = |id: FuncId| {
        // SAFETY: the bytes are those of such a function.
        unsafe { std::mem::transmute::<*const u8, wide::Loop>(module.get_finalized_function(id)) }
    };
    Wide { run: placed(run), never_stops: placed(never_stops.unwrap_or(run)), places }
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
    /// Of each slot its array, and what it reaches: this many elements, and so many more as [`Reach`] has in this place.
    reaches: Vec<(ArrayId, usize, usize)>,
}

impl Facts {
    fn of(kernel: &Kernel) -> Self {
        let marks = kernel.body.iter().any(|inst| matches!(inst, Inst::Spike(_)));
        let reaches = kernel.slots.iter().map(|slot| match slot.access {
            Access::Broadcast { offset } => (slot.array, offset + 1, Reach::NOTHING),
            Access::Element { offset } => (slot.array, offset, Reach::ELEMENTS),
            Access::Synapse => (slot.array, 0, Reach::ELEMENTS),
            Access::Source => (slot.array, 0, Reach::SOURCES),
            Access::Target => (slot.array, 0, Reach::TARGETS),
        });
        let (asks, draws, reaches) = (function::asks(kernel), calls::draws(kernel), reaches.collect());
        Facts { asks, marks, apart: apart(kernel), draws, reaches }
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

impl Jit {
    /// Compiles the kernels; the error says what could not be compiled.
    pub fn new(program: &Program) -> Result<Self, String> {
        let wide = program.precision == nmc_program::Precision::F64;
        let mut module = module(wide)?;
        let kernels: Vec<Kernel> = program.kernels.iter().map(fuse).collect();
        let size = if wide { 8 } else { 4 };
        let most = most(program);
        let defined = forms(program).into_iter().map(|(index, form)| {
            let kernel = &kernels[index];
            let width = wide::Width::of(kernel, form, most[index]);
            let ids = if wide {
                define::<true>(&mut module, kernel, form, width)
            } else {
                define::<false>(&mut module, kernel, form, width)
            };
            ids.map(|ids| (index, form, (width, ids))).map_err(|error| format!("kernel {}: {error}", kernel.name))
        });
        let defined: Vec<(usize, Form, (Option<wide::Width>, Defined))> = defined.collect::<Result<_, _>>()?;
        module.finalize_definitions().map_err(|error| error.to_string())?;
        let none = || vec![None; kernels.len()];
        let (mut dense, mut indexed, mut even) = (none(), none(), none());
        let mut wide = [vec![None; kernels.len()], vec![None; kernels.len()]];
        for (kernel, form, (width, (id, vectors))) in defined {
            // SAFETY: the function was defined with just this signature.
            let code = unsafe { std::mem::transmute::<*const u8, Code>(module.get_finalized_function(id)) };
            match form {
                Form::Dense => dense[kernel] = Some(code),
                Form::Listed => indexed[kernel] = Some(code),
                Form::Even(_) => even[kernel] = Some(code),
            }
            wide[usize::from(matches!(form, Form::Even(_)))][kernel] =
                vectors.zip(width).map(|(ids, width)| placed(&module, ids, width.bytes() as u64 / size));
        }
        let facts = kernels.iter().map(Facts::of).collect();
        Ok(Jit { module: Some(module), kernels, dense, indexed, even, wide, facts })
    }

    /// Where the arrays of a kernel's slots begin in a lane, checked to hold what it reaches; into an empty list, as moving one takes long.
    fn slots<T: Real>(
        &self,
        kernel: KernelId,
        buffers: &mut [Buffer<T>],
        lane: usize,
        reach: Reach,
        slots: &mut Slots,
    ) -> *const *mut u8 {
        // Pushed one by one: `extend` takes much longer for the few there are.
        for &(array, least, kind) in &self.facts[kernel.index()].reaches {
            let buffer = &mut buffers[array.index()];
            let start = if buffer.per_lane { lane * buffer.stride } else { 0 };
            let held = least + reach.0[kind] <= buffer.stride && start + buffer.stride <= buffer.data.len();
            assert!(held, "a kernel reaches beyond its array");
            slots.push(buffer.data.as_mut_ptr().wrapping_add(start).cast::<u8>());
        }
        slots.as_ptr()
    }

    /// Runs a kernel over synapses at even distances.
    fn even<T: Real>(&self, kernel: KernelId, buffers: &mut [Buffer<T>], lane: usize, even: Even, clock: Clock) {
        let (Some(code), Some(last)) = (self.even[kernel.index()], even.count.checked_sub(1)) else {
            assert!(even.count == 0, "a kernel that nothing was to run over synapses at even distances");
            return;
        };
        let mut args = args(clock);
        let width = 16 / size_of::<T>();
        args.end = even.count as u64;
        args.vectors = if even.synapses.step == 1 { (even.count / width * width) as u64 } else { 0 };
        let pair = |steps: Steps| [steps.first as u64, steps.step as u64];
        (args.synapse, args.source, args.target) = (pair(even.synapses), pair(even.sources), pair(even.targets));
        let [elements, sources, targets] = [even.synapses, even.sources, even.targets].map(|steps| steps.at(last) + 1);
        let mut slots = Slots::new();
        args.slots = self.slots(kernel, buffers, lane, Reach::synapses(elements, sources, targets), &mut slots);
        let wide = self.wide[1][kernel.index()].as_ref();
        stretch(code, wide.filter(|_| args.vectors > 0), &mut args);
    }
}

/// Runs a kernel over a stretch of elements, as far as can be in wide vectors.
#[inline(always)]
fn stretch(code: Code, wide: Option<&Wide>, args: &mut Args) {
    if let Some(wide) = wide.filter(|wide| args.end - args.start >= wide.places) {
        wide.stretch(args);
    }
    if args.start < args.end {
        code(args);
    }
}

impl Wide {
    /// Runs the loops over all whole vectors of a stretch.
    fn stretch(&self, args: &mut Args) {
        let end = args.end;
        let whole = args.start + (end - args.start) / self.places * self.places;
        while args.start < whole {
            args.end = whole;
            args.start = (self.run)(args);
            if args.start < whole {
                args.end = args.start + self.places;
                args.start = (self.never_stops)(args);
            }
        }
        args.end = end;
    }
}

/// How many elements, and neurons at synapses, the arrays of a kernel must have.
#[derive(Debug, Clone, Copy)]
struct Reach([usize; 4]);

impl Reach {
    const NOTHING: usize = 0;
    const ELEMENTS: usize = 1;
    const SOURCES: usize = 2;
    const TARGETS: usize = 3;

    fn elements(elements: usize) -> Self {
        Reach([0, elements, 0, 0])
    }

    fn synapses(synapses: usize, sources: usize, targets: usize) -> Self {
        Reach([0, synapses, sources, targets])
    }
}

#[inline(always)]
fn args(clock: Clock) -> Args {
    let null = std::ptr::null();
    let (spikes, slots, draws) = (std::ptr::null_mut(), std::ptr::null(), std::ptr::null());
    let Clock { seed, tick, sample, time } = clock;
    let (vectors, none) = (0, [0; 2]);
    let (synapse, source, target) = (none, none, none);
    let (start, end, list, sources, targets) = (0, 0, null, null, null);
    Args {
        slots,
        draws,
        start,
        end,
        list,
        sources,
        targets,
        vectors,
        synapse,
        source,
        target,
        spikes,
        time,
        seed,
        tick,
        sample,
    }
}

/// Elements that are worth another thread, of a kernel that draws nothing.
const LEAST: usize = 4096;

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
        let mut slots = Slots::new();
        args.slots = self.slots(kernel, buffers, lane, Reach::elements(len), &mut slots);
        let wide = self.wide[0][kernel.index()].as_ref();
        if len < LEAST && draws.is_empty() {
            stretch(code, wide, &mut args);
            return;
        }
        let shared = Parted(args);
        let least = match (self.facts[kernel.index()].apart, draws.is_empty()) {
            (false, _) => usize::MAX,
            (true, true) => LEAST,
            (true, false) => LEAST / 4,
        };
        team::parts(len, least, |part| {
            let mut args = shared.of(&part);
            let ahead = draw_ahead::<T>(draws, component, &part, clock);
            // Tables begin with the first element of the part, addresses with the first of all.
            let tables: SmallVec<[*const u8; 4]> =
                ahead.iter().map(|numbers| numbers.as_ptr().wrapping_sub(part.start).cast()).collect();
            args.draws = tables.as_ptr();
            stretch(code, wide, &mut args);
        });
    }

    fn list(&self, kernel: KernelId, buffers: &mut [Buffer<T>], lane: usize, elements: &[u32], clock: Clock) {
        let Some(code) = self.indexed[kernel.index()] else { return };
        assert!(self.facts[kernel.index()].asks == (false, false), "a kernel asks for synapses where there are none");
        let mut args = args(clock);
        args.end = elements.len() as u64;
        args.list = elements.as_ptr();
        let len = elements.iter().max().map_or(0, |&last| last as usize + 1);
        let mut slots = Slots::new();
        args.slots = self.slots(kernel, buffers, lane, Reach::elements(len), &mut slots);
        code(&raw const args);
    }

    fn synapses(&self, kernel: KernelId, buffers: &mut [Buffer<T>], lane: usize, synapses: Synapses, clock: Clock) {
        if let Indices::Even(even) = synapses.indices {
            return self.even(kernel, buffers, lane, even, clock);
        }
        let Some(code) = self.indexed[kernel.index()] else { return };
        let mut args = args(clock);
        args.sources = synapses.sources.as_ptr();
        args.targets = synapses.targets.as_ptr();
        let len = match synapses.indices {
            Indices::Ranges(ranges) => ranges.iter().map(|&(_, end)| end).max().unwrap_or(0) as usize,
            Indices::List(list) => list.iter().max().map_or(0, |&last| last as usize + 1),
            Indices::Even(_) => 0,
        };
        if len == 0 {
            return;
        }
        let (source, target) = self.facts[kernel.index()].asks;
        let known = |asked: bool, known: &[u32]| !asked || len <= known.len();
        assert!(known(source, synapses.sources) && known(target, synapses.targets), "a synapse that does not exist");
        let (sources, targets) = (synapses.largest.0 as usize + 1, synapses.largest.1 as usize + 1);
        let mut slots = Slots::new();
        args.slots = self.slots(kernel, buffers, lane, Reach::synapses(len, sources, targets), &mut slots);
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
            Indices::Even(_) => {}
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
    let mut forms = forms(program);
    forms.sort_by_key(|(kernel, _)| *kernel);
    let texts = forms.into_iter().map(|(index, form)| {
        let kernel = fuse(&program.kernels[index]);
        let translated = if wide {
            translate::<true>(&mut module, &kernel, form)
        } else {
            translate::<false>(&mut module, &kernel, form)
        };
        let (_, context) = translated.map_err(|error| format!("kernel {}: {error}", kernel.name))?;
        let word = match form {
            Form::Dense => "dense",
            Form::Listed => "listed",
            Form::Even(Shared::Source) => "row",
            Form::Even(Shared::Target) => "column",
        };
        Ok((format!("{} ({word})", kernel.name), context.func.display().to_string()))
    });
    texts.collect()
}

/// A function, and the loops over wider vectors that it has, if it has any.
type Defined = (FuncId, Option<(FuncId, Option<FuncId>)>);

/// Compiles one form of one kernel, and its loops over wider vectors if there can be any.
fn define<const WIDE: bool>(
    module: &mut JITModule,
    kernel: &Kernel,
    form: Form,
    width: Option<wide::Width>,
) -> Result<Defined, String> {
    let (function, mut context) = translate::<WIDE>(module, kernel, form)?;
    module.define_function(function, &mut context).map_err(|error| format!("{error:?}"))?;
    let Some(width) = width else { return Ok((function, None)) };
    let Some((run, never_stops)) = wide::compile::<WIDE>(kernel, form, width) else { return Ok((function, None)) };
    let mut place = |bytes: Vec<u8>| {
        let signature = module.make_signature();
        let function = module.declare_anonymous_function(&signature).map_err(|error| error.to_string())?;
        module.define_function_bytes(function, width.bytes() as u64, &bytes, &[]).map_err(|error| error.to_string())?;
        Ok::<_, String>(function)
    };
    Ok((function, Some((place(run)?, never_stops.map(place).transpose()?))))
}

/// Translates one form of one kernel.
fn translate<const WIDE: bool>(
    module: &mut JITModule,
    kernel: &Kernel,
    form: Form,
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
    match form {
        Form::Dense => function::dense::<WIDE>(&mut builder, kernel, calls, has_fma())?,
        Form::Listed => function::indexed::<WIDE>(&mut builder, kernel, calls, has_fma())?,
        Form::Even(shared) => function::even::<WIDE>(&mut builder, kernel, calls, has_fma(), shared)?,
    }
    builder.seal_all_blocks();
    builder.finalize(module.target_config());
    Ok((function, context))
}
