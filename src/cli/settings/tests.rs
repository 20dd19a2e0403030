use clap::Parser as _;

use super::*;
use crate::cli::environment::KEY_VARIABLE;

#[test]
fn library_and_command_line_have_the_same_defaults() {
    let parsed = |line: &str| {
        let args = Args::try_parse_from(line.split(' ')).unwrap();
        let environment = |name: &str| (name == KEY_VARIABLE).then(|| "sk-test".into());
        let config = Config::load(None, &environment).unwrap();
        Settings::resolve(args, &config, &environment).map(|settings| settings.options).unwrap()
    };
    let library = Options::new(ApiKey::parse("sk-test").unwrap());
    assert_eq!(format!("{:?}", parsed("yescale-dl t1")), format!("{library:?}"));
    let waiting = Options { wait: Some(PollPolicy::default()), ..library };
    assert_eq!(format!("{:?}", parsed("yescale-dl t1 --wait")), format!("{waiting:?}"));
}

#[test]
fn certificates_are_read_up_to_a_limit() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MAX_CERTIFICATES).unwrap();
    assert_eq!(read_certificates(file.path()).unwrap().len() as u64, MAX_CERTIFICATES);
    file.as_file().set_len(MAX_CERTIFICATES + 1).unwrap();
    let error = read_certificates(file.path()).unwrap_err();
    assert!(matches!(&error, Error::Read { source, .. } if source.kind() == io::ErrorKind::FileTooLarge), "{error}");
    #[cfg(unix)]
    read_certificates(Path::new("/dev/zero")).unwrap_err();
}

#[test]
fn progress_depends_on_the_terminal_and_never_on_no_color() {
    for (when, is_terminal, is_dumb, mode) in [
        (When::Auto, true, false, ProgressMode::Bars),
        (When::Auto, true, true, ProgressMode::Lines),
        (When::Auto, false, false, ProgressMode::Off),
        (When::Auto, false, true, ProgressMode::Off),
        (When::Always, true, false, ProgressMode::Bars),
        (When::Always, true, true, ProgressMode::Lines),
        (When::Always, false, false, ProgressMode::Lines),
        (When::Never, true, false, ProgressMode::Off),
    ] {
        assert_eq!(progress_mode(when, is_terminal, is_dumb), mode, "{when:?} {is_terminal} {is_dumb}");
    }
    let style = |line: &str, no_color: &str| {
        let args = Args::try_parse_from(line.split(' ')).unwrap().options.style;
        style(&args, &|name| (name == "NO_COLOR" && !no_color.is_empty()).then(|| no_color.into()))
    };
    assert!(!style("x t1", "1").color_err && style("x t1 --progress always", "1").progress != ProgressMode::Off);
    assert!(style("x t1 --color always", "1").color_err && !style("x t1 --color never", "").color_err);
    assert!(style("x t1 --progress always -q", "").progress == ProgressMode::Off);
}
