//! aedat 4.0: packets of FlatBuffers, compressed one by one; those marked `EVTS` hold events. Every place that a file names is looked up with its bounds.

use std::io::Read;

use super::aedat::Event;
use crate::disk;

/// How packets are compressed.
#[derive(Clone, Copy)]
enum Compression {
    Not,
    Lz4,
    Zstd,
}

/// The events of the first stream that has some, from what follows the version line, which is so many bytes long.
pub fn events(bytes: &[u8], before: usize) -> Result<Vec<Event>, String> {
    let cut = || String::from("it is cut off");
    let word = |bytes: &[u8]| bytes.first_chunk().copied().map(i32::from_le_bytes).ok_or_else(cut);
    let (head, mut rest) = buffer_and_rest(bytes).ok_or_else(cut)?;
    let head = Table::root(head, b"IOHE")?;
    let compression = match head.field(0).map(word).transpose()?.unwrap_or(0) {
        0 => Compression::Not,
        1 | 2 => Compression::Lz4,
        3 | 4 => Compression::Zstd,
        other => return Err(format!("its packets are compressed in a way that is not known ({other})")),
    };
    // Where packets end and the table of them begins; a recording that was not closed has none.
    let end = head.field(1).and_then(|field| field.first_chunk().copied()).map_or(-1, i64::from_le_bytes);
    if end >= 0 {
        let packets = usize::try_from(end).ok().and_then(|end| end.checked_sub(before + bytes.len() - rest.len()));
        let (packets, table) = packets.and_then(|packets| rest.split_at_checked(packets)).ok_or_else(cut)?;
        Table::root(&unpacked(table, compression)?, b"FTAB")?;
        rest = packets;
    }
    let (mut events, mut known) = (Vec::new(), None);
    while !rest.is_empty() {
        let stream = word(rest)?;
        let len =
            usize::try_from(word(&rest[4..])?).map_err(|_| String::from("it is damaged: a packet has no size"))?;
        let (packet, after) = rest[8..].split_at_checked(len).ok_or_else(cut)?;
        rest = after;
        if known.is_none_or(|known| known == stream) {
            let packet = unpacked(packet, compression)?;
            if packet.get(8..12) == Some(&b"EVTS"[..]) {
                known = Some(stream);
                of_packet(&packet, &mut events)?;
            }
        }
    }
    Ok(events)
}

/// Adds the events of a packet: 8 bytes of time, 2 of x, 2 of y, 1 of polarity, 3 unused.
fn of_packet(packet: &[u8], events: &mut Vec<Event>) -> Result<(), String> {
    let damaged = || String::from("it is damaged: a packet's events lie outside of it");
    let Some(field) = Table::root(packet, b"EVTS")?.field(0) else { return Ok(()) };
    let vector = follow(field).ok_or_else(damaged)?;
    let (count, vector) = vector.split_first_chunk().ok_or_else(damaged)?;
    let all = vector.as_chunks::<16>().0.get(..u32::from_le_bytes(*count) as usize).ok_or_else(damaged)?;
    events.extend(all.iter().map(|event| {
        let [t @ .., x0, x1, y0, y1, on, _, _, _] = *event;
        let coordinate = |low, high| i64::from(i16::from_le_bytes([low, high]));
        Event { t: i64::from_le_bytes(t), x: coordinate(x0, x1), y: coordinate(y0, y1), on: on != 0 }
    }));
    Ok(())
}

fn unpacked(packet: &[u8], compression: Compression) -> Result<Vec<u8>, String> {
    let broken = |error: std::io::Error| format!("it is damaged or cut off: a packet cannot be unpacked ({error})");
    let most = disk::memory();
    let mut bytes = Vec::new();
    match compression {
        Compression::Not => bytes.extend(packet),
        Compression::Lz4 => {
            lz4_flex::frame::FrameDecoder::new(packet).take(most).read_to_end(&mut bytes).map_err(broken)?;
        }
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(packet).map_err(broken)?;
            decoder.take(most).read_to_end(&mut bytes).map_err(broken)?;
        }
    }
    match buffer_and_rest(&bytes) {
        Some((_, [])) => Ok(bytes),
        Some(_) | None => Err(String::from("it is damaged or cut off: a packet is not as long as it says")),
    }
}

/// A buffer that says how long it is, that included, and what follows it.
fn buffer_and_rest(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    bytes.split_at_checked(len.checked_add(4)?)
}

/// What lies as far behind the start of `bytes` as the number there says.
fn follow(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(u32::from_le_bytes(*bytes.first_chunk()?) as usize..)
}

/// A table of a FlatBuffer: where it lies, and where its fields lie in it.
struct Table<'a> {
    bytes: &'a [u8],
    fields: &'a [u8],
}

impl<'a> Table<'a> {
    /// The outermost table of a buffer that begins with its length and is marked so.
    fn root(buffer: &'a [u8], mark: &[u8; 4]) -> Result<Table<'a>, String> {
        let found = || {
            let buffer = buffer.get(4..)?;
            let bytes = follow(buffer).filter(|_| buffer.get(4..8) == Some(&mark[..]))?;
            let at = (buffer.len() - bytes.len()) as i64;
            let fields =
                buffer.get(usize::try_from(at - i64::from(i32::from_le_bytes(*bytes.first_chunk()?))).ok()?..)?;
            let fields = fields.get(..usize::from(u16::from_le_bytes(*fields.first_chunk()?)))?;
            Some(Table { bytes, fields })
        };
        found().ok_or_else(|| format!("it is damaged: no part of it is a whole {}", String::from_utf8_lossy(mark)))
    }

    /// What begins with the field of this number; none where it is left out.
    fn field(&self, number: usize) -> Option<&'a [u8]> {
        let at = self.fields.get(4 + 2 * number..)?.first_chunk().copied().map(u16::from_le_bytes)?;
        self.bytes.get(usize::from(at)..).filter(|_| at > 0)
    }
}
