//! The usage errors and the help of clap, as this program prints them: without keys, URL queries and control characters.

use std::io::{self, Write as _};

use clap::builder::StyledStr;
use clap::error::ContextValue;

use crate::ui::{self, for_terminal};

/// Prints the help or the version that was asked for. A closed pipe is not an error.
pub(in crate::cli) fn print_help(help: &clap::Error) -> io::Result<()> {
    match help.print().and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Prints a usage error, and returns its text in one line. It repeats arguments only without keys and control characters.
pub(super) fn report(mut usage: clap::Error) -> String {
    let context: Vec<_> = usage.context().map(|(kind, value)| (kind, sanitize_context(value))).collect();
    for (kind, value) in context {
        usage.insert(kind, value);
    }
    let text = usage.render().to_string();
    let lines = text.lines().map(|line| for_terminal(line) + "\n").collect::<String>();
    if lines.trim_end() == text.trim_end() {
        // clap's own printing has colours.
        let _ = usage.print();
    } else {
        ui::print_usage(&lines);
    }
    // What follows the first paragraph is advice on how to type.
    let paragraph = lines.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
    paragraph.trim_start_matches("error:").trim().to_owned()
}

/// A value of a usage error, made safe to print.
fn sanitize_context(value: &ContextValue) -> ContextValue {
    // A text that is safe keeps its colours.
    let styled = |styled: &StyledStr| {
        let text = styled.to_string();
        let safe = text.lines().map(for_terminal).collect::<Vec<_>>().join("\n");
        if safe == text { styled.clone() } else { StyledStr::from(for_terminal(&text)) }
    };
    match value {
        ContextValue::String(text) => ContextValue::String(for_terminal(text)),
        ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(|text| for_terminal(text)).collect()),
        ContextValue::StyledStr(text) => ContextValue::StyledStr(styled(text)),
        ContextValue::StyledStrs(texts) => ContextValue::StyledStrs(texts.iter().map(styled).collect()),
        other => other.clone(),
    }
}
