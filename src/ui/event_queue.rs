//! The events on their way from the run to the thread that shows them.
//!
//! To wake that thread costs more than to show an event, and a run has many. So the thread takes a batch, and then sleeps for a
//! moment before it takes the next one. The last event of a run ends that sleep, so that the program never waits for it.
//!
//! The queue has no bound. A reader of the output who stops reading must not stop downloads whose links expire.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::domain::event::Event;

/// The time between two frames of the bars.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);
/// How long events are collected without bars.
const COLLECT_INTERVAL: Duration = Duration::from_millis(10);
/// The limit of events that are shown together.
const BATCH: usize = 1 << 16;

/// The receiving end.
pub(crate) struct EventQueue {
    events: Receiver<Event>,
    /// Receives something when the last event was sent.
    ended: Receiver<()>,
}

/// The sending end.
#[derive(Clone)]
pub(crate) struct EventSender {
    events: Sender<Event>,
    ended: Sender<()>,
}

/// A queue, which ends with the summary of a run, or when all its senders are gone.
pub(crate) fn event_queue() -> (EventSender, EventQueue) {
    let ((events, received), (ended, is_ended)) = (channel(), channel());
    (EventSender { events, ended }, EventQueue { events: received, ended: is_ended })
}

impl EventSender {
    /// Adds an event.
    pub(crate) fn send(&self, event: Event) {
        let is_last = is_last(&event);
        // A closed receiver is not an error: the output ended early.
        let _ = self.events.send(event);
        if is_last {
            let _ = self.ended.send(());
        }
    }
}

impl EventQueue {
    /// The next events, and whether they are the last. With bars it collects events until the next frame. Without, it waits for
    /// the first one, and collects others for a moment.
    pub(super) fn next_batch(&self, are_bars_drawn: bool) -> (Vec<Event>, bool) {
        let next_frame = Instant::now() + FRAME_INTERVAL;
        let mut batch = Vec::new();
        match self.events.recv_timeout(FRAME_INTERVAL) {
            Ok(event) => batch.push(event),
            Err(RecvTimeoutError::Timeout) => return (batch, false),
            Err(RecvTimeoutError::Disconnected) => return (batch, true),
        }
        if !batch.iter().any(is_last) {
            let left = next_frame.saturating_duration_since(Instant::now());
            // It ends early with the last event, or when the senders are gone.
            let _ = self.ended.recv_timeout(if are_bars_drawn { left } else { COLLECT_INTERVAL });
            batch.extend(self.events.try_iter().take(BATCH));
        }
        let is_over = batch.iter().any(is_last);
        (batch, is_over)
    }
}

fn is_last(event: &Event) -> bool {
    matches!(event, Event::Summary(_) | Event::Verified(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{RunKind, Summary};

    #[test]
    fn summary_ends_the_queue_and_the_wait_for_more_events() {
        let (sender, queue) = event_queue();
        sender.send(Event::Detail("one".to_owned()));
        sender.send(Event::Summary(Summary::new(RunKind::Get)));
        for are_bars_drawn in [false, true] {
            let (batch, is_over) = queue.next_batch(are_bars_drawn);
            assert_eq!((batch.len(), is_over), if are_bars_drawn { (0, false) } else { (2, true) });
        }
        drop(sender);
        assert!(queue.next_batch(false).1);
    }

    #[test]
    fn events_that_no_summary_follows_are_received_when_the_senders_are_gone() {
        let (sender, queue) = event_queue();
        sender.send(Event::Detail("one".to_owned()));
        drop(sender);
        assert_eq!(queue.next_batch(false).0.len(), 1);
        assert!(queue.next_batch(false).1);
    }
}
