//! The account's list of the sample tasks, as gateways of this kind give it: the newest first, in pages of ten rows, and without
//! a total.
//!
//! A task of a sample is as old as its place in the list says, so that `--since 7d` finds all of them at any time.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use super::samples::Task;

/// Rows of a page, whatever is asked for.
const PAGE_SIZE: usize = 10;
/// The seconds from one task to the next.
const DISTANCE: u64 = 3 * 3600;

/// The page that `request` asks for.
pub(super) fn page(tasks: &[Task], request: &Request) -> ResponseTemplate {
    let number = |name: &str| {
        let mut query = request.url.query_pairs();
        query.find_map(|(key, value)| (key == name).then(|| value.parse::<u64>().ok())?)
    };
    let (Some(start), Some(end)) = (number("start_timestamp"), number("end_timestamp")) else {
        let message = "start_timestamp and end_timestamp are required";
        return ResponseTemplate::new(200).set_body_json(json!({"success": false, "message": message}));
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let submitted = |at: usize| now - 60 - at as u64 * DISTANCE;
    let rows = tasks.iter().enumerate().filter(|(at, _)| (start..=end).contains(&submitted(*at)));
    let pages = number("p").unwrap_or(1).saturating_sub(1);
    let skipped = usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(PAGE_SIZE);
    let rows = rows.skip(skipped).take(PAGE_SIZE).map(|(at, task)| row(at, task, submitted(at)));
    ResponseTemplate::new(200).set_body_json(json!({"data": rows.collect::<Vec<_>>(), "message": "", "success": true}))
}

fn row(at: usize, task: &Task, submitted: u64) -> Value {
    let mut row = json!({
        "id": 1000 - at,
        "task_id": task.id(),
        "action": "generate",
        "status": task.answer["status"],
        "submit_time": submitted,
        "properties": {"input": task.prompt},
        "data": task.answer["task_result"],
    });
    if let Some(title) = &task.title {
        row["title"] = json!(title);
    }
    row
}
