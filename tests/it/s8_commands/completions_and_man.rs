//! `completions` and `man`: both contain every option and command, and the programs that read them accept them.

use std::process::Command;

use crate::support::World;
use crate::support::commands::run_command;

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "elvish"];

fn script(world: &World, shell: &str) -> String {
    run_command(world, &["completions", shell]).exits(0).stdout
}

/// The output of `program` for `script`. It must report no error.
fn run_reader(program: &str, args: &[&str], script: &str) -> String {
    let world = World::new();
    let path = world.write_file("script", script);
    let output = Command::new(program).args(args).arg(path).env("MANWIDTH", "80").output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && complaint.is_empty(), "{program}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn completions_contain_all_options_and_commands() {
    let world = World::new();
    for shell in SHELLS {
        let script = script(&world, shell);
        for word in ["limit-rate", "skip-failed", "repair", "quick", "never"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        for hidden in ["poll-delay", "retry-delay", "no-mtime", "api-key "] {
            assert!(!script.contains(hidden), "{shell}: {hidden}");
        }
    }
}

#[test]
fn man_page_has_options_commands_and_exit_codes() {
    let page = run_command(&World::new(), &["man"]).exits(0).stdout.replace("\\-", "-");
    for word in
        ["--limit-rate", "--wait", ".SS repair", "--quick", ".SS schema", "Exit codes", "NETWORK, OUTPUT.", "YESCALE_API_KEY"]
    {
        assert!(page.contains(word), "{word}");
    }
    assert_eq!((page.matches("--limit-rate").count(), page.matches("poll-delay").count()), (1, 0));
}

#[test]
fn help_fits_the_terminal_width() {
    let world = World::new();
    for (args, columns, most) in [(&["--help"][..], "80", 80), (&["--help"], "160", 100), (&["repair", "--help"], "80", 80)] {
        let mut command = world.plain_command(args);
        command.env("COLUMNS", columns);
        let help = crate::support::run::Running::start(command).wait(false).exits(0).stdout;
        let longest = help.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(longest.chars().count() <= most, "{longest}");
    }
}

#[test]
#[ignore = "needs bash"]
fn bash_accepts_its_completions() {
    let script = script(&World::new(), "bash");
    run_reader("bash", &["-n"], &script);
    let completion =
        "\nCOMP_WORDS=(yescale-dl ver); COMP_CWORD=1; _yescale__dl yescale-dl ver yescale-dl; echo ${COMPREPLY[@]}\n";
    assert_eq!(run_reader("bash", &[], &(script + completion)).trim(), "verify");
}

#[test]
#[ignore = "needs zsh"]
fn zsh_accepts_its_completions() {
    run_reader("zsh", &["-n"], &script(&World::new(), "zsh"));
}

#[test]
#[ignore = "needs fish"]
fn fish_accepts_its_completions() {
    let script = script(&World::new(), "fish");
    run_reader("fish", &["--no-execute"], &script);
    assert!(run_reader("fish", &[], &(script + "\ncomplete -C 'yescale-dl ver'\n")).starts_with("verify\t"));
}

#[test]
#[ignore = "needs man"]
fn man_renders_the_man_page() {
    let page = run_command(&World::new(), &["man"]).exits(0).stdout;
    let shown = run_reader("man", &["--warnings", "-l"], &page);
    assert!(shown.contains("yescale-dl verify [OPTIONS] [DIR]") && shown.contains("-x, --connections"), "{shown}");
}
