//! The code of each error, by which programs decide.

use super::Error;
use crate::cli::saved_keys::KeyKind;
use crate::domain::code::FatalCode;
use crate::jobs::export::ExportError;
use crate::jobs::verify::VerifyError;
use crate::session;

impl Error {
    /// The cause, for programs.
    pub(in crate::cli) fn code(&self) -> FatalCode {
        match self {
            Self::NoIds
            | Self::Shard(_)
            | Self::BlankId
            | Self::Slip(_)
            | Self::List { .. }
            | Self::KeyForFile
            | Self::AccessKeyForFile
            | Self::EmptyRange(_)
            | Self::KeyForId
            | Self::KeyForOption(_)
            | Self::StdinUsedTwice
            | Self::NoInputOrder
            | Self::FilteredPage
            | Self::Read { .. }
            | Self::KeyFile { .. }
            | Self::NoTerminal
            | Self::HiddenInput(_)
            | Self::AccessKeyForApiKey
            | Self::BadLines(_)
            | Self::ArchiveFile(_)
            | Self::WrongTarget { .. }
            | Self::OnlyOfFiles(_)
            | Self::NoExportFolder
            | Self::TagsInLinks
            | Self::Export(ExportError::BagToStream | ExportError::TargetIsArchiveFile(_) | ExportError::Empty { .. })
            | Self::Usage(_) => FatalCode::Usage,
            Self::NoKey { .. } | Self::Key { .. } | Self::Session(session::Error::Gateway(_)) => FatalCode::NoKey,
            Self::BaseUrl(_) => FatalCode::BadBaseUrl,
            Self::LoginRefused { kind: KeyKind::Api, .. } => FatalCode::KeyRefused,
            Self::LoginRefused { kind: KeyKind::Access, .. }
            | Self::NoAccessKey { .. }
            | Self::ApiKeyForAccessKey { .. }
            | Self::AccessKey { .. }
            | Self::AccountUrl(_)
            | Self::Account(_)
            | Self::Session(session::Error::Account(_)) => FatalCode::Account,
            Self::VariableNotUtf8(_)
            | Self::InvalidSetting { .. }
            | Self::SavedKeys { .. }
            | Self::NoSettingsFolder
            | Self::Session(session::Error::Client(_)) => FatalCode::Config,
            Self::Archive(_)
            | Self::Verify(VerifyError::Archive(_))
            | Self::Session(session::Error::Archive(_))
            | Self::Export(ExportError::Archive(_) | ExportError::PathNotUtf8(_)) => FatalCode::Archive,
            Self::StandardOutput(_) | Self::FailedTo(_) | Self::Export(ExportError::Stream(_)) => FatalCode::Output,
            Self::Run { error, .. } => error.code(),
            Self::Verify(VerifyError::Threads(_))
            | Self::Session(session::Error::Threads(_))
            | Self::Threads(_)
            | Self::Descriptors
            | Self::AddressSpace
            | Self::Runtime(_) => FatalCode::Internal,
        }
    }
}
