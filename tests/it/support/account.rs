//! The account's task list, as servers of its kind give it: with limits, pages and totals, or without.

use std::process::Command;

use serde_json::{Value, json};

use super::run::{Run, Running};
use super::{KEY, MediaServer, Reply, World};

pub(crate) const ACCESS_KEY: &str = "access/0123456789abcdefABCDEF+xyz";
const PATH: &str = "/yescale/task";

/// How a server lists its rows. Their times are in `submit_time`.
#[derive(Clone)]
pub(crate) struct TaskList {
    pub rows: Vec<Value>,
    /// The most rows of a page, whatever is asked for.
    pub limit: usize,
    /// Whether it takes `p` into account.
    pub has_pages: bool,
    /// Whether a window has its end.
    pub counts_end: bool,
    /// Whether it states how many rows there are.
    pub has_total: bool,
    /// Makes the answer of the rows and the total.
    pub wrap: fn(Vec<Value>, Value) -> Value,
}

impl TaskList {
    /// A list of these rows, with true pages of up to 1000 rows and no total.
    pub(crate) fn new(rows: Vec<Value>) -> Self {
        Self {
            rows,
            limit: 1000,
            has_pages: true,
            counts_end: true,
            has_total: false,
            wrap: |rows, _| json!({"success": true, "data": rows}),
        }
    }

    /// The answer to the request with this head.
    fn answer(&self, head: &str) -> Value {
        let (start, end) = (query(head, "start_timestamp"), query(head, "end_timestamp") + i64::from(self.counts_end));
        let mut rows: Vec<Value> = self.rows.clone();
        rows.retain(|row| (start..end).contains(&row["submit_time"].as_i64().unwrap()));
        // The newest first.
        rows.sort_by_key(|row| -row["submit_time"].as_i64().unwrap());
        let total = if self.has_total { json!(rows.len()) } else { Value::Null };
        let size = self.limit.min(usize::try_from(query(head, "page_size")).unwrap());
        let skipped = if self.has_pages { usize::try_from(query(head, "p") - 1).unwrap() * size } else { 0 };
        (self.wrap)(rows.into_iter().skip(skipped).take(size).collect(), total)
    }
}

/// A number in the query of a request.
pub(crate) fn query(head: &str, name: &str) -> i64 {
    let target = head.split(' ').nth(1).unwrap();
    let value = target.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("{name} in {target}")).parse().unwrap()
}

/// The row of a task that was submitted so many seconds ago.
pub(crate) fn row(id: &str, seconds_ago: i64) -> Value {
    json!({"id": 7, "task_id": id, "submit_time": now() - seconds_ago})
}

pub(crate) fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// An account that lists tasks.
pub(crate) struct Account(pub MediaServer);

impl Account {
    /// Each request gets the next reply; the last one repeats.
    pub(crate) fn with_replies(replies: impl IntoIterator<Item = Reply>) -> Self {
        let server = MediaServer::start();
        server.allow_key_for(PATH);
        server.script(PATH, replies);
        Self(server)
    }

    pub(crate) fn start(list: TaskList) -> Self {
        Self::with_replies([Reply::dynamic(move |head| json_reply(&list.answer(head)))])
    }

    /// The heads of the requests. Each has the access key and no other.
    pub(crate) fn requests(&self) -> Vec<String> {
        let heads = self.0.heads();
        for head in &heads {
            assert!(head.contains(&format!("authorization: Bearer {ACCESS_KEY}\r\n")) && !head.contains(KEY), "{head}");
        }
        heads
    }

    pub(crate) fn command(&self, world: &World, args: &[&str]) -> Command {
        let mut command = world.command(args);
        command.env("YESCALE_ACCESS_KEY", ACCESS_KEY).env("YESCALE_ACCOUNT_URL", self.0.origin());
        command
    }

    /// Runs to the end, and checks that neither key is anywhere.
    pub(crate) fn run(&self, world: &World, args: &[&str]) -> Run {
        let run = world.audit(Running::start(self.command(world, args)).wait(false));
        let tree = world.tree();
        let archived = tree.values().map(|(bytes, _)| String::from_utf8_lossy(bytes).into_owned());
        for text in archived.chain([run.stdout.clone(), run.stderr.clone()]) {
            assert!(!text.contains(ACCESS_KEY), "the access key: {text}");
        }
        run
    }
}

pub(crate) fn json_reply(body: &Value) -> Reply {
    Reply::ok(body.to_string()).content_type("application/json")
}
