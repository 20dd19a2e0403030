//! Texts about the program itself: schemas, the manual page. Reads no file and writes none.
//!
//! All texts are generated from the types that are serialized and from the options that are parsed, so that they can't
//! become outdated.

use std::collections::BTreeSet;
use std::io;

use clap::Command;
use clap_mangen::Man;

use super::args::{self, Document};
use crate::domain::manifest;
use crate::ui;

/// The JSON Schema of a document.
pub(super) fn schema(document: Document) -> String {
    match document {
        Document::Manifest => manifest::schema(),
        Document::Events => ui::schema(),
    }
}

/// The manual page: the main job with its options, then each command with its own.
pub(super) fn man_page() -> String {
    let mut command = args::command();
    command.build();
    let page = Man::new(with_usage(command.clone()));
    let beginning = render_roff(|roff| {
        page.render_title(roff)?;
        page.render_name_section(roff)?;
        page.render_synopsis_section(roff)?;
        page.render_description_section(roff)?;
        page.render_options_section(roff)
    });
    let commands: String = command.get_subcommands().map(command_section).collect();
    // `.nf` keeps its line breaks.
    let end = render_roff(|roff| page.render_extra_section(roff)).replace(".SH EXTRA", ".SH EXAMPLES AND EXIT CODES\n.nf");
    format!("{beginning}.SH COMMANDS\n{commands}{end}")
}

/// The section of one command. Options that it shares with the main job are named by their heading only.
fn command_section(command: &Command) -> String {
    let headings: BTreeSet<&str> = command.get_arguments().filter_map(|option| option.get_help_heading()).collect();
    let own = with_usage(command.clone()).mut_args(|option| {
        let is_shared = option.get_help_heading().is_some() || option.is_global_set() || option.get_id() == "help";
        let is_hidden = is_shared || option.is_hide_set();
        option.hide(is_hidden)
    });
    let page = Man::new(own);
    let text = render_roff(|roff| {
        page.render_synopsis_section(roff)?;
        page.render_description_section(roff)?;
        page.render_options_section(roff)
    });
    let text = text.replace(".SH SYNOPSIS\n", "").replace(".SH DESCRIPTION", ".PP").replace(".SH OPTIONS\n", "");
    let shared = match headings.is_empty() {
        true => String::new(),
        false => format!(".PP\nAlso the options under {}.\n", Vec::from_iter(headings).join(", ").to_uppercase()),
    };
    format!(".SS {}\n{text}{shared}", command.get_name())
}

/// The command with the synopsis of its `--help`.
fn with_usage(mut command: Command) -> Command {
    let usage = command.render_usage().to_string();
    command.override_usage(usage.trim_start_matches("Usage: ").to_owned())
}

fn render_roff(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut roff = Vec::new();
    // Writing to memory can't fail.
    let _ = render(&mut roff);
    String::from_utf8_lossy(&roff).into_owned()
}
