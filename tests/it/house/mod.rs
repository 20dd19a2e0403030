//! Rules that are in no section of the contract: the layers of the code, the references between documents, tests and
//! program, the examples in documents, the workflows, the recipes, the form of messages, and the use of the crate in another
//! program.

mod contract;
mod doc_coverage;
#[cfg(all(target_os = "linux", feature = "bucket"))]
mod doc_examples;
mod doc_links;
mod doc_references;
mod doc_samples;
mod documents;
#[cfg(unix)]
mod install_script;
mod layers;
mod library;
mod messages;
mod recipes;
mod workflows;
