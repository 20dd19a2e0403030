//! The documents for people, taken apart: their headings, links and code blocks. The checks are in the modules beside this one.
//!
//! It reads the part of Markdown that these documents use: headings with `#`, links and pictures on one line, fenced blocks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A document, and its path from the root of the repository.
pub(super) struct Document {
    pub path: String,
    pub text: String,
}

/// A fenced block: its language, the line of its fence, and its text.
pub(super) struct Block {
    pub language: String,
    pub line: usize,
    pub text: String,
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn read(path: &str) -> Document {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Document { path: path.to_owned(), text }
}

/// The README, the changelog, and every page of `docs/` and `.github/`.
pub(super) fn all() -> Vec<Document> {
    let pages = ["docs", ".github"].into_iter().flat_map(|folder| {
        let mut names: Vec<PathBuf> = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
        names.sort();
        names.into_iter().map(move |path| format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap()))
    });
    ["README.md".to_owned(), "CHANGELOG.md".to_owned()].into_iter().chain(pages).map(|path| read(&path)).collect()
}

impl Document {
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_open = false;
        for (at, line) in self.text.lines().enumerate() {
            match line.trim_start().strip_prefix("```") {
                Some(_) if is_open => is_open = false,
                Some(language) => {
                    blocks.push(Block { language: language.to_owned(), line: at + 1, text: String::new() });
                    is_open = true;
                }
                None if is_open => {
                    let block = blocks.last_mut().unwrap();
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                None => {}
            }
        }
        assert!(!is_open, "{}: a block has no end", self.path);
        blocks
    }

    /// The text without its blocks.
    fn prose(&self) -> String {
        self.text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
    }

    /// What may follow `#` in a link to this document, as GitHub makes it from the headings.
    pub(super) fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let titles =
            prose.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
        titles.map(anchor).collect()
    }

    /// What its prose has as code.
    pub(super) fn code(&self) -> Vec<String> {
        self.prose().split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// The targets of its links and pictures, without code.
    pub(super) fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let text: String = prose.split('`').step_by(2).collect::<Vec<_>>().join("");
        text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
    }
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
