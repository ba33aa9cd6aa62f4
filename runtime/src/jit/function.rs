//! Loops around kernels: over vectors of elements with a scalar rest, and over listed elements or synapses.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::FunctionBuilder;
use nmc_program::{Access, Inst, Kernel};
use std::mem::offset_of;

use super::body::{At, Calls, Frame, emit};
use super::calls::Args;
use super::emit::Emit;

/// Elements of a turn of the vector loop: a byte of spikes.
const TURN: i64 = 8;

/// Whether a kernel asks for the source or target of synapses.
pub fn needs_pairs(kernel: &Kernel) -> bool {
    kernel.slots.iter().any(|slot| matches!(slot.access, Access::Source | Access::Target))
        || kernel.body.iter().any(|inst| matches!(inst, Inst::SourceIndex | Inst::TargetIndex))
}

fn field(builder: &mut FunctionBuilder, args: Value, offset: usize) -> Value {
    builder.ins().load(types::I64, MemFlagsData::trusted(), args, offset as i32)
}

fn frame<const WIDE: bool>(builder: &mut FunctionBuilder, kernel: &Kernel, calls: Calls) -> Frame {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let args = builder.block_params(entry)[0];
    let table = field(builder, args, offset_of!(Args, slots));
    let slots = (0..kernel.slots.len()).map(|slot| field(builder, table, slot * 8)).collect();
    let time = builder.ins().load(types::F64, MemFlagsData::trusted(), args, offset_of!(Args, time) as i32);
    let time = if WIDE { time } else { builder.ins().fdemote(types::F32, time) };
    Frame { args, slots, time, calls }
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

/// Elements `0 .. end`, eight a turn in vectors, the rest one by one. Spikes are set in bytes that were zero.
pub fn dense<const WIDE: bool>(
    builder: &mut FunctionBuilder,
    kernel: &Kernel,
    calls: Calls,
    fma: bool,
) -> Result<(), String> {
    let frame = frame::<WIDE>(builder, kernel, calls);
    let end = field(builder, frame.args, offset_of!(Args, end));
    let spikes = field(builder, frame.args, offset_of!(Args, spikes));
    let zero = builder.ins().iconst(types::I64, 0);
    let rest = repeat(builder, zero, end, TURN, |builder, index| {
        let mut byte = None;
        let width: i64 = if WIDE { 2 } else { 4 };
        for part in 0..TURN / width {
            let element = builder.ins().iadd_imm_s(index, part * width);
            let at = At { element, source: None, target: None };
            let spike = emit(&mut Emit::<WIDE> { builder, vector: true, fma }, kernel, &frame, at)?;
            if let Some(mask) = spike {
                let bits = builder.ins().vhigh_bits(types::I32, mask);
                let bits = builder.ins().ishl_imm_u(bits, part * width);
                byte = Some(byte.map_or(bits, |byte| builder.ins().bor(byte, bits)));
            }
        }
        if let Some(byte) = byte {
            let place = builder.ins().ushr_imm_u(index, 3);
            let address = builder.ins().iadd(spikes, place);
            builder.ins().istore8(MemFlagsData::new().with_notrap(), byte, address, 0);
        }
        Ok(())
    })?;
    repeat(builder, rest, end, 1, |builder, element| {
        let at = At { element, source: None, target: None };
        let spike = emit(&mut Emit::<WIDE> { builder, vector: false, fma }, kernel, &frame, at)?;
        if let Some(truth) = spike {
            let flags = MemFlagsData::new().with_notrap();
            let place = builder.ins().ushr_imm_u(element, 3);
            let address = builder.ins().iadd(spikes, place);
            let old = builder.ins().uload8(types::I32, flags, address, 0);
            let bit = builder.ins().band_imm_u(element, 7);
            let truth = builder.ins().uextend(types::I32, truth);
            let bit = builder.ins().ishl(truth, bit);
            let new = builder.ins().bor(old, bit);
            builder.ins().istore8(flags, new, address, 0);
        }
        Ok(())
    })?;
    builder.ins().return_(&[]);
    Ok(())
}

/// Positions `start .. end` of the list (or elements themselves), one by one.
pub fn indexed<const WIDE: bool>(
    builder: &mut FunctionBuilder,
    kernel: &Kernel,
    calls: Calls,
    fma: bool,
) -> Result<(), String> {
    let frame = frame::<WIDE>(builder, kernel, calls);
    let start = field(builder, frame.args, offset_of!(Args, start));
    let end = field(builder, frame.args, offset_of!(Args, end));
    let list = field(builder, frame.args, offset_of!(Args, list));
    let pairs = needs_pairs(kernel).then(|| {
        let sources = field(builder, frame.args, offset_of!(Args, sources));
        (sources, field(builder, frame.args, offset_of!(Args, targets)))
    });
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
        let source = pairs.map(|(sources, _)| entry(builder, sources, element));
        let target = pairs.map(|(_, targets)| entry(builder, targets, element));
        emit(&mut Emit::<WIDE> { builder, vector: false, fma }, kernel, &frame, At { element, source, target })?;
        Ok(())
    })?;
    builder.ins().return_(&[]);
    Ok(())
}
