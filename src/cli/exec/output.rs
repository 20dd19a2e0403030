//! What a command of `--exec` prints, line by line: so it is shown between the bars, without keys and control characters.
//!
//! A line has a bounded length, and the next lines are read when the last ones are shown: a command that prints without end waits.

use std::io::{BufRead, BufReader, PipeReader};

use crate::domain::event::{CommandOutput, Emitter, Event};

/// A longer line of output is shown in pieces.
const MAX_LINE: usize = 8 << 10;
/// So many bytes of output are shown together, at most.
const MAX_BATCH: usize = 64 << 10;

/// Shows what a command prints, until no process has the pipe any more. Waits until a batch is shown before it reads the next one.
pub(super) fn show_output(reader: PipeReader, events: &Emitter) {
    let mut reader = BufReader::with_capacity(MAX_BATCH, reader);
    let mut line = Vec::new();
    while let Ok(bytes) = reader.fill_buf() {
        let length = bytes.len();
        let mut lines = Vec::new();
        for &byte in bytes {
            let is_end = matches!(byte, b'\n' | b'\r');
            if !is_end {
                line.push(byte);
            }
            if (is_end && !line.is_empty()) || line.len() >= MAX_LINE {
                lines.push(take_line(&mut line));
            }
        }
        if length == 0 && !line.is_empty() {
            lines.push(take_line(&mut line));
        }
        reader.consume(length);
        if !lines.is_empty() {
            let (output, is_shown) = CommandOutput::new(lines);
            events.emit(Event::Output(output));
            // Nothing is ever sent. The call returns when the lines are shown and the sender is dropped.
            let _ = is_shown.recv();
        }
        if length == 0 {
            return;
        }
    }
}

fn take_line(line: &mut Vec<u8>) -> String {
    String::from_utf8_lossy(&std::mem::take(line)).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn output_is_cut_into_lines_of_bounded_length() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let emitter = Emitter::new(move |event| {
            if let Event::Output(output) = event {
                sink.lock().unwrap().extend(output.lines);
            }
        });
        let (reader, mut writer) = io::pipe().unwrap();
        let text = format!("one\r\n\ntwo\rthree \u{1b}\n{}\nlast", "x".repeat(MAX_LINE + 1));
        let write = std::thread::spawn(move || io::Write::write_all(&mut writer, text.as_bytes()).unwrap());
        show_output(reader, &emitter);
        write.join().unwrap();
        let lines = lines.lock().unwrap();
        let lengths: Vec<usize> = lines.iter().map(String::len).collect();
        assert_eq!((&lines[..3], &lengths[3..]), (&["one", "two", "three \u{1b}"].map(str::to_owned)[..], &[MAX_LINE, 1, 4][..]));
    }
}
