//! A headless browser, driven through its DevTools protocol: what a page shows, which requests it makes and which
//! errors it logs.
//!
//! The protocol uses two pipes, which the shell passes to Chromium as the file descriptors that it expects. No port
//! is opened.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

/// `--no-sandbox`, because tests may run as root in a container. Only the page under test is opened.
const CHROMIUM: &str = "exec chromium --headless --no-sandbox --disable-gpu --remote-debugging-pipe \
    --user-data-dir=\"$1\" 3<&0 4>&1 >/dev/null 2>&1";

/// Resolves once `test` holds. A page where it never holds is an error, not a test that hangs.
const UNTIL: &str = "const until = async (test) => { const end = Date.now() + 20000; while (!test()) { \
    if (Date.now() > end) throw new Error('never: ' + test); await new Promise((done) => setTimeout(done, 20)); } };";

pub(crate) struct Browser {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    session: Value,
    last_id: u64,
    /// The URLs of all requests.
    pub requests: Vec<String>,
    /// Errors and warnings of the console, and exceptions.
    pub console_errors: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Opens a page, `width` pixels wide, and waits until it is loaded.
    pub(crate) fn open(page: &Path, fragment: &str, width: u32) -> Self {
        let mut browser = Self::start(width);
        browser.navigate(page, fragment);
        browser
    }

    /// A browser without a page, `width` pixels wide.
    pub(crate) fn start(width: u32) -> Self {
        let profile = TempDir::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", CHROMIUM, "sh"]).arg(profile.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (requests, console_errors) = (Vec::new(), Vec::new());
        let mut browser =
            Self { child, stdin, stdout, session: Value::Null, last_id: 0, requests, console_errors, _profile: profile };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].take();
        browser.session =
            browser.call("Target.attachToTarget", &json!({"targetId": target, "flatten": true}))["sessionId"].take();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        let screen = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        browser.call("Emulation.setDeviceMetricsOverride", &screen);
        browser
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn navigate(&mut self, page: &Path, fragment: &str) {
        let url = format!("{}{fragment}", Url::from_file_path(page).unwrap());
        self.call("Page.navigate", &json!({"url": url}));
        self.wait(&format!("document.readyState === 'complete' && location.href.startsWith({})", json!(url.split('#').next())));
    }

    /// Makes a setting of the user's system true, such as `prefers-color-scheme` and `dark`.
    pub(crate) fn prefer(&mut self, name: &str, value: &str) {
        self.call("Emulation.setEmulatedMedia", &json!({"features": [{"name": name, "value": value}]}));
    }

    /// Makes the screen one for fingers.
    pub(crate) fn use_fingers(&mut self) {
        self.call("Emulation.setTouchEmulationEnabled", &json!({"enabled": true}));
        self.call("Emulation.setEmitTouchEventsForMouse", &json!({"enabled": true, "configuration": "mobile"}));
    }

    /// Moves a finger from one point to another.
    pub(crate) fn swipe(&mut self, from: (u32, u32), to: (u32, u32)) {
        for (kind, point) in [("touchStart", Some(from)), ("touchMove", Some(to)), ("touchEnd", None)] {
            let points: Vec<Value> = point.iter().map(|(x, y)| json!({"x": x, "y": y})).collect();
            self.call("Input.dispatchTouchEvent", &json!({"type": kind, "touchPoints": points}));
        }
    }

    /// The time that the page took from the start of its loading until it was complete.
    pub(crate) fn loading_time(&mut self) -> Duration {
        let millis = self.eval("performance.getEntriesByType('navigation')[0].loadEventEnd");
        Duration::from_secs_f64(millis.as_f64().unwrap() / 1000.0)
    }

    /// The value of an expression, which may await.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let script = format!("(async () => {{ {UNTIL} return {expression}; }})()");
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", &params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Runs a script. The page's content security policy does not apply.
    #[track_caller]
    pub(crate) fn run(&mut self, script: &str) {
        let answer = self.call("Runtime.evaluate", &json!({"expression": script}));
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait(&mut self, expression: &str) {
        self.eval(&format!("await until(() => {expression})"));
    }

    /// Presses a key, by the name that its event has. `Shift+1` is a digit with the Shift key.
    pub(crate) fn press(&mut self, key: &str) {
        let (modifiers, name) = key.strip_prefix("Shift+").map_or((0, key), |key| (8, key));
        let is_digit = name.len() == 1 && name.as_bytes()[0].is_ascii_digit();
        let code = if is_digit { format!("Digit{name}") } else { name.to_owned() };
        let key = if is_digit && modifiers > 0 { "!" } else { name };
        let (text, number) = match key {
            "Escape" => ("", 27),
            "Enter" => ("\r", 13),
            "Tab" => ("", 9),
            key => (if key.len() == 1 { key } else { "" }, 0),
        };
        for (kind, text) in [("keyDown", text), ("keyUp", "")] {
            let press = json!({"type": kind, "key": key, "code": code, "text": text, "modifiers": modifiers,
                "windowsVirtualKeyCode": number});
            self.call("Input.dispatchKeyEvent", &press);
        }
    }

    /// The visible page, as a PNG.
    pub(crate) fn screenshot(&mut self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let mut request = json!({"id": self.last_id, "method": method, "params": params});
        if self.session.is_string() {
            request["sessionId"] = self.session.clone();
        }
        self.stdin.write_all(format!("{request}\0").as_bytes()).unwrap();
        loop {
            let mut bytes = Vec::new();
            assert!(self.stdout.read_until(0, &mut bytes).unwrap() > 0, "the browser has exited");
            let mut message: Value = serde_json::from_slice(&bytes[..bytes.len() - 1]).unwrap();
            if message["id"] == self.last_id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
            self.record_event(&message);
        }
    }

    fn record_event(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => self.requests.push(params["request"]["url"].as_str().unwrap().to_owned()),
            "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => {
                self.console_errors.push(params.to_string());
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}
