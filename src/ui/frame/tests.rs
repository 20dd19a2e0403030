use std::time::Instant;

use super::*;
use crate::domain::event::{Counter, Emitter, Event, GatewayFault, Transfer};
use crate::ui::RunCounters;

/// A run with `files` large files whose names are `name` and a number.
fn estimator(files: usize, name: impl Fn(usize) -> String) -> ProgressEstimator {
    let (emitter, start) = (Emitter::silent(), Instant::now());
    emitter.tasks.discovered.add(10_000);
    emitter.tasks.done.add(4_812);
    emitter.tasks.pending.set(212);
    emitter.bytes.add(3 << 30);
    let mut estimator = ProgressEstimator::new(RunCounters::of(&emitter), start);
    for file in 0..files {
        let counter = Counter::default();
        let transfer = Transfer { name: name(file), total: Some(96 << 20), counter: counter.clone() };
        estimator.update(&Event::TransferStarted(transfer), start);
        counter.add(48 << 20);
    }
    estimator.sample(start + Duration::from_secs(1));
    estimator
}

fn twenty_files() -> ProgressEstimator {
    estimator(20, |file| format!("video-1 7779357811508675{file:02}\u{1b}歌"))
}

/// The words of a line that contain a digit.
fn numbers_in(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '/']).map(|word| word.trim_matches(',')).filter(|word| word.contains(|c: char| c.is_ascii_digit()))
}

#[test]
fn progress_display_fits_the_terminal() {
    for (rows, columns) in (30..=200).map(|columns| (24, columns)).chain([(50, 160), (3, 10), (1, 1), (0, 0)]) {
        let lines = frame(&twenty_files(), rows, columns, true);
        assert!(lines.len() <= rows.max(2), "{rows} rows: {lines:#?}");
        for line in lines {
            assert!(measure_text_width(&line) <= columns.saturating_sub(1), "{columns} columns: {line}");
        }
    }
}

#[test]
fn no_number_is_cut_at_any_width() {
    let long_run = |tasks: u64, seconds: u64| {
        let (emitter, start) = (Emitter::silent(), Instant::now());
        let mut estimator = ProgressEstimator::new(RunCounters::of(&emitter), start);
        emitter.tasks.discovered.add(tasks);
        emitter.tasks.done.add(tasks / 3);
        emitter.files.known.add(999 << 40);
        emitter.files.done.add(123 << 30);
        emitter.bytes.add(123 << 30);
        estimator.sample(start + Duration::from_secs(seconds));
        estimator
    };
    let runs = [estimator(20, |_| "video of a 歌".to_owned()), long_run(3, 1), long_run(12_345_678, 40), long_run(0, 1)];
    for run in &runs {
        let full = frame(run, 24, 300, false).join("\n");
        let full: Vec<&str> = full.lines().flat_map(numbers_in).collect();
        for columns in 30..=200 {
            let lines = frame(run, 24, columns, false);
            let is_shown = |part: &str| lines[0].contains(part);
            assert!(numbers_in(&lines[0]).count() >= 2, "{columns} columns: {lines:#?}");
            for number in lines.iter().flat_map(|line| numbers_in(line)) {
                assert!(full.contains(&number), "{columns} columns: {number} in {lines:#?}");
            }
            // A less important column is never shown without a more important one.
            let shown = numbers(&run.overall()).map(|number| number.is_empty() || is_shown(&number));
            let by_importance = NUMBERS_BY_IMPORTANCE.map(|column| shown[column]);
            assert!(by_importance.is_sorted_by_key(|is_shown| !is_shown), "{columns} columns: {by_importance:?}");
        }
    }
}

#[test]
fn progress_display_shows_totals_files_and_hidden_count() {
    let lines = frame(&twenty_files(), 24, 80, false);
    assert_eq!(lines.len(), 1 + MAX_BARS + 1);
    assert!(lines[0].starts_with("4,812 of 10,000 tasks") && lines[0].contains("48%"), "{}", lines[0]);
    assert!(lines[1].contains("━╸─") && lines[1].contains("48.00 MiB/s") && lines[1].contains("0:01"), "{}", lines[1]);
    assert_ne!(lines[1].split("━").next(), lines[2].split("━").next(), "different names stay different");
    assert_eq!(lines[9], "  212 waiting, 12 more large files in transfer");
}

#[test]
fn gateway_that_does_not_answer_is_noted_until_it_answers() {
    let (mut estimator, now) = (estimator(1, |_| "video-1 t1".to_owned()), Instant::now());
    let fault = |retry_at| Event::Gateway(Some(GatewayFault { cause: "HTTP 502 Bad Gateway".to_owned(), retry_at }));
    let last_line = |estimator: &ProgressEstimator, columns| frame(estimator, 24, columns, false).pop().unwrap();
    estimator.update(&fault(now + Duration::from_secs(30)), now);
    estimator.sample(now + Duration::from_secs(27));
    assert_eq!(last_line(&estimator, 80), "  the gateway does not answer: HTTP 502 Bad Gateway; retry in 3 s");
    assert_eq!(last_line(&estimator, 60), "  the gateway does not answer; retry in 3 s");
    assert_eq!(last_line(&estimator, 40), "  the gateway does not answer");
    estimator.sample(now + Duration::from_secs(31));
    assert_eq!(last_line(&estimator, 80), "  the gateway does not answer: HTTP 502 Bad Gateway");
    estimator.update(&Event::Gateway(None), now);
    assert!(!frame(&estimator, 24, 80, false).concat().contains("gateway"));
}

#[test]
fn without_color_no_escape_codes_are_drawn() {
    assert!(!frame(&twenty_files(), 24, 80, false).concat().contains('\u{1b}'));
    assert!(frame(&twenty_files(), 24, 80, true).concat().contains('\u{1b}'));
}

#[test]
fn single_line_progress_shows_the_same_totals() {
    assert_eq!(progress_line(&estimator(0, |_| String::new())), "4,812 of 10,000 tasks, 48%, 212 waiting, 3.00 GiB, 3.00 GiB/s");
}
