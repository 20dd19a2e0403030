//! The documents lead somewhere: every link and anchor resolves, the README leads to every page, and is short.

use super::documents::{all, read, root};

/// Longer than this, nobody reads it.
const README_LINES: usize = 180;

/// Pages of the repository on its host, which are no files.
const HOST_PAGES: [&str; 1] = ["../../releases/latest"];

#[test]
fn every_link_inside_the_repository_resolves() {
    let documents = all();
    let mut count = 0;
    for document in &documents {
        let folder = root().join(&document.path).parent().unwrap().to_owned();
        for link in document.links().iter().filter(|link| !link.contains("://") && !HOST_PAGES.contains(&link.as_str())) {
            count += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(&document.path) } else { folder.join(path) };
            let target = target.canonicalize().unwrap_or_else(|error| panic!("{}: {link}: {error}", document.path));
            if anchor.is_empty() {
                continue;
            }
            let name = target.strip_prefix(root().canonicalize().unwrap()).unwrap().to_str().unwrap().replace('\\', "/");
            assert!(read(&name).anchors().contains(anchor), "{}: {link}", document.path);
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_path_of_the_repository_in_code_exists() {
    let folders = ["src/", "tests/", "docs/", "packaging/", ".ci/", ".github/"];
    let mut count = 0;
    for document in all() {
        let paths = document.code().into_iter().filter(|code| folders.iter().any(|folder| code.starts_with(folder)));
        for path in paths.filter(|path| !path.contains([' ', '*', '{'])) {
            assert!(root().join(&path).exists(), "{}: {path}", document.path);
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn readme_is_short_and_leads_to_every_page() {
    let readme = read("README.md");
    assert!(readme.text.lines().count() <= README_LINES, "{} lines", readme.text.lines().count());
    let links = readme.links();
    for document in all().iter().filter(|document| document.path != "README.md") {
        assert!(links.contains(&document.path), "the README has no link to {}", document.path);
    }
}

#[test]
fn pictures_of_the_readme_are_in_the_repository_and_have_a_description() {
    let readme = read("README.md");
    let pictures: Vec<&str> = readme.text.split("![").skip(1).collect();
    assert!(pictures.len() >= 2);
    for picture in pictures {
        let (description, rest) = picture.split_once("](").unwrap();
        assert!(description.len() > 20 && root().join(rest.split_once(')').unwrap().0).is_file(), "{description}");
    }
}
