//! The tags of an exported audio file, from its task.
//!
//! Title, artist (platform and model), comment (the prompt), lyrics (the text), the number of the track, and a cover: of the
//! task's images the N-th for the N-th song if there are as many, else the first. N is the place in the order of the index numbers,
//! which may have gaps. Only jpg and png are covers: a song whose own image is of another type has none, rather than that of
//! another song, and the first image is the first that is jpg or png.
//!
//! A file with content credentials is never tagged: a tag would break the signature. What the manifest says about them is not
//! enough, because an old one says nothing; the bytes are read.

use std::collections::HashMap;
use std::io::{self, Seek as _};

use crate::domain::asset_key::{AssetKey, Kind};
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::media::{content_credentials, tags};
use crate::storage::{ArchiveReader, CopySource, Error, StagedCopy};

/// What tags need of all files of the tasks, also of those that no filter selects.
pub(super) struct Tagger<'a> {
    reader: &'a ArchiveReader,
    albums: HashMap<String, Album>,
}

/// The songs and images of a task, each in the order of their index numbers.
#[derive(Default)]
struct Album {
    songs: Vec<AssetKey>,
    images: Vec<FileEntry>,
}

/// What became of a copy.
pub(super) enum Tagged {
    Yes,
    /// It is a plain copy, for this reason.
    No(String),
}

impl<'a> Tagger<'a> {
    pub(super) fn new(reader: &'a ArchiveReader, tasks: &[TaskEntry]) -> Self {
        Self { reader, albums: tasks.iter().map(|task| (task.task_id.clone(), Album::new(&task.files))).collect() }
    }

    /// Writes the tags of `file` into its copy.
    ///
    /// # Errors
    /// When the copy can't be made again after a failure.
    pub(super) fn tag(
        &self,
        task: &TaskEntry,
        file: &FileEntry,
        source: &CopySource,
        copy: &mut StagedCopy,
    ) -> Result<Tagged, Error> {
        let reason = match has_credentials(file, source.size, copy) {
            Ok(true) => "it has content credentials, which a tag would break".to_owned(),
            Ok(false) if source.size > tags::MAX_TAGGED_SIZE => "it is too large".to_owned(),
            Ok(false) => match tags::write(copy.file(), &self.tags(task, file)) {
                Ok(()) => return Ok(Tagged::Yes),
                Err(reason) => {
                    copy.fill(source)?;
                    reason
                }
            },
            Err(reason) => format!("it can't be searched for content credentials: {reason}"),
        };
        Ok(Tagged::No(reason))
    }

    fn tags(&self, task: &TaskEntry, file: &FileEntry) -> tags::Tags {
        let artist: Vec<&str> = [&task.platform, &task.model].into_iter().flatten().map(String::as_str).collect();
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let songs = self.albums.get(&task.task_id).map_or(1, |album| album.songs.len());
        tags::Tags {
            title: task.title().into_owned(),
            artist: artist.join(" "),
            comment: task.prompt().unwrap_or_default().into_owned(),
            lyrics: task.text.clone().unwrap_or_default(),
            track: (number(file.key().index), number(songs.max(file.key().index))),
            cover: self.cover(task, file),
        }
    }

    /// The cover of a song. One that can't be read is left out: it is reported where it is exported itself.
    fn cover(&self, task: &TaskEntry, song: &FileEntry) -> Option<tags::Cover> {
        let album = self.albums.get(&task.task_id)?;
        let (image, is_png) = album.cover(&song.key())?;
        if image.size() > tags::MAX_COVER_SIZE {
            return None;
        }
        let bytes = self.reader.read_media(task, image).ok()?;
        Some(tags::Cover { is_png, bytes })
    }
}

impl Album {
    fn new(files: &[FileEntry]) -> Self {
        let mut songs: Vec<AssetKey> = files.iter().map(FileEntry::key).filter(|key| key.kind == Kind::Audio).collect();
        songs.sort_by_key(|key| key.index);
        let mut images: Vec<FileEntry> = files.iter().filter(|file| file.key().kind == Kind::Image).cloned().collect();
        images.sort_by_key(|image| image.key().index);
        Self { songs, images }
    }

    /// The image that is the cover of a song, and whether it is a png.
    fn cover(&self, song: &AssetKey) -> Option<(&FileEntry, bool)> {
        let candidates = match self.images.len() == self.songs.len() {
            true => {
                let place = self.songs.iter().position(|key| key == song)?;
                &self.images[place..=place]
            }
            false => &self.images,
        };
        candidates.iter().find_map(|image| Some((image, is_png(image)?)))
    }
}

/// Whether a file, of which `copy` is a plain copy, has content credentials.
fn has_credentials(file: &FileEntry, size: u64, copy: &mut StagedCopy) -> io::Result<bool> {
    if file.content_credentials == Some(true) {
        return Ok(true);
    }
    copy.file().rewind()?;
    content_credentials::is_present(copy.file(), size)
}

/// Whether an image is a png (or else a jpg); none for other types.
fn is_png(image: &FileEntry) -> Option<bool> {
    match image.detected_type.as_deref() {
        Some("image/png") => Some(true),
        Some("image/jpeg") => Some(false),
        Some(_) => None,
        None => match super::extension(image) {
            "png" => Some(true),
            "jpg" => Some(false),
            _ => None,
        },
    }
}
