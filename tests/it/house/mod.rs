//! Rules that are in no section of the contract: the layers of the code, the references between documents, tests and
//! program, the workflows, the recipes, the form of messages, and the use of the crate in another program.

mod contract;
mod doc_references;
mod layers;
mod library;
mod messages;
mod recipes;
mod workflows;
