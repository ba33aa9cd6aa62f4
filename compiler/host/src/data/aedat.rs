//! aedat: what event cameras record, as `t_us`, `x`, `y` and `p` (1 where light rose), an element an event, in the order
//! and with the coordinates of the file. Versions 2.0 and 3.1 are read here, 4.0 in `aedat4`.

use std::io::Read;
use std::path::Path;

use nmc_compiler::files::DataFile;
use nmc_program::{Tensor, TensorData};

use super::{aedat4, numbers, open};

/// What lies in memory of an event.
const EVENT_BYTES: usize = 25;
/// Addresses of a DVS128 are shorter; a DAVIS puts its rows above.
const DVS128_BITS: u32 = 16;

/// One change of light at one pixel.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Microseconds.
    pub t: i64,
    pub x: i64,
    pub y: i64,
    /// Whether light rose.
    pub on: bool,
}

/// Reads a whole file.
pub fn read(file: &Path) -> Result<DataFile, String> {
    let mut bytes = Vec::new();
    let problem = |error: std::io::Error| error.to_string();
    numbers(&[file.metadata().map_err(problem)?.len()], 1)?;
    open(file)?.read_to_end(&mut bytes).map_err(problem)?;
    let (version, rest) = bytes
        .strip_prefix(b"#!AER-DAT")
        .and_then(|rest| rest.split_at_checked(rest.iter().take(32).position(|byte| *byte == b'\n')? + 1))
        .ok_or("it does not begin with `#!AER-DAT` and a version, as aedat files do")?;
    let events = match version.trim_ascii() {
        b"2.0" => version_2(rest)?,
        b"3.1" => version_3(rest)?,
        b"4.0" => aedat4::events(rest, bytes.len() - rest.len())?,
        other => {
            let other = String::from_utf8_lossy(other);
            return Err(format!("it is of version {other:?}: 2.0, 3.1 and 4.0 are read"));
        }
    };
    numbers(&[events.len() as u64], EVENT_BYTES)?;
    let of = |value: fn(&Event) -> i64| TensorData::I64(events.iter().map(value).collect());
    let on = TensorData::U8(events.iter().map(|event| u8::from(event.on)).collect());
    let arrays = [("t_us", of(|event| event.t)), ("x", of(|event| event.x)), ("y", of(|event| event.y)), ("p", on)];
    Ok(DataFile::of(arrays.map(|(name, data)| {
        let name = name.to_string();
        (name.clone(), Tensor { name, shape: vec![events.len()], data })
    })))
}

/// The lines that begin with `#`, and what follows them. An event may begin with that byte, too, but is no line of text.
fn header(mut bytes: &[u8]) -> Result<(String, &[u8]), String> {
    let mut text = String::new();
    while bytes.first() == Some(&b'#') {
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        let (line, rest) = bytes.split_at(end);
        if line.iter().any(|byte| *byte < b' ' && !byte.is_ascii_whitespace()) {
            break;
        }
        if !line.ends_with(b"\n") {
            return Err(String::from("it is cut off within its head"));
        }
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        bytes = rest;
        if line.contains("end of ascii header") || line.starts_with("#!end-header") {
            break;
        }
        text += &line;
    }
    Ok((text, bytes))
}

/// Pairs of an address and microseconds, both of 32 bits, the largest first.
fn version_2(bytes: &[u8]) -> Result<Vec<Event>, String> {
    let (text, bytes) = header(bytes)?;
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || words.len() % 2 != 0 {
        return Err(format!("it is cut off: {} bytes follow its last whole event", bytes.len() % 8));
    }
    let pairs = words.as_chunks::<2>().0.iter().map(|pair| pair.map(u32::from_be_bytes));
    let davis = match text.lines().find_map(|line| line.split_once("aechip:")) {
        Some((_, chip)) if chip.contains("davis") => true,
        Some((_, chip)) if chip.contains("dvs128") => false,
        Some((_, chip)) => {
            return Err(format!("it is of a camera `{}`: addresses of DVS128 and DAVIS are known", chip.trim()));
        }
        None => pairs.clone().any(|[address, _]| address >> DVS128_BITS != 0),
    };
    let event = |[address, t]: [u32; 2]| {
        let bits = |from: u32, count: u32| i64::from(address >> from & ((1 << count) - 1));
        let t = i64::from(t);
        match davis {
            // Bit 31: frames and motion; bit 10: signals from outside.
            true => (bits(31, 1) + bits(10, 1) == 0).then(|| Event {
                t,
                x: bits(12, 10),
                y: bits(22, 9),
                on: bits(11, 1) == 1,
            }),
            // Bit 15: signals from outside.
            false => (bits(15, 1) == 0).then(|| Event { t, x: bits(1, 7), y: bits(8, 7), on: bits(0, 1) == 1 }),
        }
    };
    Ok(pairs.filter_map(event).collect())
}

/// Packets of events of one kind; of these, kind 1 tells of light.
fn version_3(bytes: &[u8]) -> Result<Vec<Event>, String> {
    let (_, mut bytes) = header(bytes)?;
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_first_chunk::<28>().ok_or("it is cut off within the head of a packet")?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (kind, size, turns, room, count) = (word(0) as u16, word(4), word(12), word(16), word(20));
        let len = u64::from(size) * u64::from(room);
        let packet = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len));
        let Some((packet, rest)) = packet.filter(|_| count <= room && size > 0) else {
            return Err(format!("it is damaged or cut off: a packet is {len} bytes, {} are left", rest.len()));
        };
        bytes = rest;
        if kind != 1 {
            continue;
        }
        if size != 8 {
            return Err(format!("it is damaged: its events are {size} bytes, not 8"));
        }
        for event in packet.as_chunks::<8>().0.iter().take(count as usize) {
            let [data, t] =
                [0, 4].map(|at| u32::from_le_bytes([event[at], event[at + 1], event[at + 2], event[at + 3]]));
            if data & 1 == 1 {
                let t = (i64::from(turns) << 31) + i64::from(t);
                let (x, y) = (i64::from(data >> 17), i64::from(data >> 2 & 0x7fff));
                events.push(Event { t, x, y, on: data & 2 != 0 });
            }
        }
    }
    Ok(events)
}
