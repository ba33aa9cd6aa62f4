//! Loops around kernels: over vectors of elements with a scalar rest, and over listed elements or synapses.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::FunctionBuilder;
use nmc_program::{Access, Inst, Kernel, Unary};
use std::mem::offset_of;

use super::body::{At, Calls, Frame, Neuron, emit};
use super::calls::Args;
use super::emit::Emit;

/// Whether a kernel asks for the source of synapses, and for their target.
pub fn asks(kernel: &Kernel) -> (bool, bool) {
    let accesses = |wanted: Access| kernel.slots.iter().any(|slot| slot.access == wanted);
    let source = kernel.body.iter().any(|inst| matches!(inst, Inst::SourceIndex));
    let target = kernel.body.iter().any(|inst| matches!(inst, Inst::TargetIndex));
    (source || accesses(Access::Source), target || accesses(Access::Target))
}

fn field(builder: &mut FunctionBuilder, args: Value, offset: usize) -> Value {
    builder.ins().load(types::I64, MemFlagsData::trusted(), args, offset as i32)
}

fn frame<const WIDE: bool>(builder: &mut FunctionBuilder, kernel: &Kernel, calls: Calls, ahead: bool) -> Frame {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let args = builder.block_params(entry)[0];
    let table = field(builder, args, offset_of!(Args, slots));
    let slots = (0..kernel.slots.len()).map(|slot| field(builder, table, slot * 8)).collect();
    let time = builder.ins().load(types::F64, MemFlagsData::trusted(), args, offset_of!(Args, time) as i32);
    let time = if WIDE { time } else { builder.ins().fdemote(types::F32, time) };
    let draws = if ahead { super::calls::draws(kernel) } else { Vec::new() };
    let table = (!draws.is_empty()).then(|| field(builder, args, offset_of!(Args, draws)));
    let ahead = draws.into_iter().enumerate().zip(table.into_iter().cycle());
    let ahead = ahead.map(|((index, draw), table)| (draw, field(builder, table, index * 8))).collect();
    Frame { args, slots, time, calls, ahead }
}

/// A loop from `start` while `start + step <= end`; gives the index after it. `turn` emits the work at an index.
fn repeat(
    builder: &mut FunctionBuilder,
    start: Value,
    end: Value,
    step: i64,
    turn: impl FnOnce(&mut FunctionBuilder, Value) -> Result<(), String>,
) -> Result<Value, String> {
    let (head, work, after) = (builder.create_block(), builder.create_block(), builder.create_block());
    let index = builder.append_block_param(head, types::I64);
    builder.ins().jump(head, &[BlockArg::Value(start)]);
    builder.switch_to_block(head);
    let next = builder.ins().iadd_imm_s(index, step);
    let fits = builder.ins().icmp(IntCC::UnsignedLessThanOrEqual, next, end);
    builder.ins().brif(fits, work, &[], after, &[]);
    builder.switch_to_block(work);
    turn(builder, index)?;
    builder.ins().jump(head, &[BlockArg::Value(next)]);
    builder.switch_to_block(after);
    Ok(index)
}

/// Elements `start .. end`, a vector a turn, the rest one by one. Spikes are set in bytes that were zero.
pub fn dense<const WIDE: bool>(
    builder: &mut FunctionBuilder,
    kernel: &Kernel,
    calls: Calls,
    fma: bool,
) -> Result<(), String> {
    let frame = frame::<WIDE>(builder, kernel, calls, true);
    let start = field(builder, frame.args, offset_of!(Args, start));
    let end = field(builder, frame.args, offset_of!(Args, end));
    let spikes = field(builder, frame.args, offset_of!(Args, spikes));
    let width: i64 = if WIDE { 2 } else { 4 };
    let restarts = can_start_over(kernel);
    // One vector a turn: a second would share its constants, which then no longer fit the registers.
    let rest = repeat(builder, start, end, width, |builder, element| {
        let at = At { element, source: None, target: None };
        let slow = restarts.then(|| builder.create_block());
        let spike = emit(&mut Emit::<WIDE> { builder, vector: true, fma, start_over: slow }, kernel, &frame, at)?;
        mark::<WIDE>(builder, spikes, element, spike);
        let Some(slow) = slow else { return Ok(()) };
        let join = builder.create_block();
        builder.ins().jump(join, &[]);
        builder.set_cold_block(slow);
        builder.switch_to_block(slow);
        let spike = emit(&mut Emit::<WIDE> { builder, vector: true, fma, start_over: None }, kernel, &frame, at)?;
        mark::<WIDE>(builder, spikes, element, spike);
        builder.ins().jump(join, &[]);
        builder.switch_to_block(join);
        Ok(())
    })?;
    repeat(builder, rest, end, 1, |builder, element| {
        let at = At { element, source: None, target: None };
        let spike = emit(&mut Emit::<WIDE> { builder, vector: false, fma, start_over: None }, kernel, &frame, at)?;
        if let Some(truth) = spike {
            let flags = MemFlagsData::new().with_notrap();
            let address = spike_byte::<WIDE>(builder, spikes, element);
            let old = builder.ins().uload8(types::I32, flags, address, 0);
            let within = builder.ins().band_imm_u(element, width - 1);
            let truth = builder.ins().uextend(types::I32, truth);
            let bit = builder.ins().ishl(truth, within);
            let new = builder.ins().bor(old, bit);
            builder.ins().istore8(flags, new, address, 0);
        }
        Ok(())
    })?;
    builder.ins().return_(&[]);
    Ok(())
}

/// Whether all functions with a long way come before anything is stored: then the rare vector that needs one is worked out
/// anew from its start, and the common way keeps nothing in registers for it.
fn can_start_over(kernel: &Kernel) -> bool {
    let long = kernel.body.iter().rposition(|inst| matches!(inst, Inst::Unary(Unary::Phi1, _)));
    let stored = kernel.body.iter().position(|inst| matches!(inst, Inst::Store { .. }));
    long.is_some_and(|long| stored.is_none_or(|stored| long < stored))
}

/// Marks the spikes of a vector.
fn mark<const WIDE: bool>(builder: &mut FunctionBuilder, spikes: Value, element: Value, spike: Option<Value>) {
    if let Some(mask) = spike {
        let bits = builder.ins().vhigh_bits(types::I32, mask);
        let address = spike_byte::<WIDE>(builder, spikes, element);
        builder.ins().istore8(MemFlagsData::new().with_notrap(), bits, address, 0);
    }
}

/// Address of the byte that holds the spike of an element.
fn spike_byte<const WIDE: bool>(builder: &mut FunctionBuilder, spikes: Value, element: Value) -> Value {
    let place = builder.ins().ushr_imm_u(element, if WIDE { 1 } else { 2 });
    builder.ins().iadd(spikes, place)
}

/// Positions `start .. end` of the list (or elements themselves), one by one.
pub fn indexed<const WIDE: bool>(
    builder: &mut FunctionBuilder,
    kernel: &Kernel,
    calls: Calls,
    fma: bool,
) -> Result<(), String> {
    let frame = frame::<WIDE>(builder, kernel, calls, false);
    let start = field(builder, frame.args, offset_of!(Args, start));
    let end = field(builder, frame.args, offset_of!(Args, end));
    let list = field(builder, frame.args, offset_of!(Args, list));
    let (source, target) = asks(kernel);
    let sources = source.then(|| field(builder, frame.args, offset_of!(Args, sources)));
    let targets = target.then(|| field(builder, frame.args, offset_of!(Args, targets)));
    repeat(builder, start, end, 1, |builder, position| {
        let flags = MemFlagsData::new().with_notrap();
        let entry = |builder: &mut FunctionBuilder, table: Value, index: Value| {
            let scaled = builder.ins().ishl_imm_u(index, 2);
            let address = builder.ins().iadd(table, scaled);
            builder.ins().uload32(flags, address, 0)
        };
        let (listed, join) = (builder.create_block(), builder.create_block());
        let element = builder.append_block_param(join, types::I64);
        builder.ins().brif(list, listed, &[], join, &[BlockArg::Value(position)]);
        builder.switch_to_block(listed);
        let found = entry(builder, list, position);
        builder.ins().jump(join, &[BlockArg::Value(found)]);
        builder.switch_to_block(join);
        let mut neuron = |table: Value| Neuron { index: entry(builder, table, element), same: false };
        let (source, target) = (sources.map(&mut neuron), targets.map(&mut neuron));
        emit(
            &mut Emit::<WIDE> { builder, vector: false, fma, start_over: None },
            kernel,
            &frame,
            At { element, source, target },
        )?;
        Ok(())
    })?;
    builder.ins().return_(&[]);
    Ok(())
}

/// Which neuron all synapses at even distances share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    Source,
    Target,
}

/// Synapses of one neuron at even distances: whole vectors where they are neighbours, the rest one by one.
pub fn even<const WIDE: bool>(
    builder: &mut FunctionBuilder,
    kernel: &Kernel,
    calls: Calls,
    fma: bool,
    shared: Shared,
) -> Result<(), String> {
    let frame = frame::<WIDE>(builder, kernel, calls, false);
    let mut steps = |offset: usize| (field(builder, frame.args, offset), field(builder, frame.args, offset + 8));
    let [synapses, sources, targets] =
        [offset_of!(Args, synapse), offset_of!(Args, source), offset_of!(Args, target)].map(&mut steps);
    let start = field(builder, frame.args, offset_of!(Args, start));
    let end = field(builder, frame.args, offset_of!(Args, end));
    let at = |builder: &mut FunctionBuilder, place: Value| {
        let index = |builder: &mut FunctionBuilder, (first, step): (Value, Value)| {
            let along = builder.ins().imul(place, step);
            builder.ins().iadd(first, along)
        };
        let element = index(builder, synapses);
        let (source, target) = match shared {
            Shared::Source => (sources.0, index(builder, targets)),
            Shared::Target => (index(builder, sources), targets.0),
        };
        let source = Some(Neuron { index: source, same: shared == Shared::Source });
        let target = Some(Neuron { index: target, same: shared == Shared::Target });
        At { element, source, target }
    };
    let mut rest = start;
    if in_vectors(kernel, shared) {
        let vectors = field(builder, frame.args, offset_of!(Args, vectors));
        rest = repeat(builder, start, vectors, if WIDE { 2 } else { 4 }, |builder, place| {
            let at = at(builder, place);
            emit(&mut Emit::<WIDE> { builder, vector: true, fma, start_over: None }, kernel, &frame, at)?;
            Ok(())
        })?;
    }
    repeat(builder, rest, end, 1, |builder, place| {
        let at = at(builder, place);
        emit(&mut Emit::<WIDE> { builder, vector: false, fma, start_over: None }, kernel, &frame, at)?;
        Ok(())
    })?;
    builder.ins().return_(&[]);
    Ok(())
}

/// Whether no synapse of a neuron reads or writes what another of its synapses writes.
pub fn in_vectors(kernel: &Kernel, shared: Shared) -> bool {
    let own = |access: Access| match access {
        Access::Synapse => true,
        Access::Source => shared == Shared::Target,
        Access::Target => shared == Shared::Source,
        Access::Element { .. } | Access::Broadcast { .. } => false,
    };
    let mut stored = kernel.body.iter().filter_map(|inst| {
        let Inst::Store { slot, .. } = inst else { return None };
        Some(&kernel.slots[*slot as usize])
    });
    stored.all(|slot| {
        own(slot.access) && kernel.slots.iter().all(|other| other.array != slot.array || other.access == slot.access)
    })
}
