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
        for word in ["limit-rate", "skip-failed", "repair", "quick", "help"] {
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
    let names = ["verify", "repair", "index", "export", "gallery", "config", "schema", "completions", "man", "help"];
    let pages = names.iter().flat_map(|name| [vec![*name, "-h"], vec![*name, "--help"], vec!["help", name]]);
    for args in pages.chain([vec!["-h"], vec!["--help"], vec!["help"]]) {
        for (columns, most) in [("80", 80), ("100", 100), ("160", 100)] {
            let mut command = world.plain_command(&args);
            command.env("COLUMNS", columns);
            let help = crate::support::run::Running::start(command).wait(false).exits(0).stdout;
            let longest = help.lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(longest.chars().count() <= most, "{args:?}: {longest}");
        }
    }
}

#[test]
fn help_is_short_or_long_and_of_each_command() {
    let world = World::new();
    let page = |args: &[&str]| run_command(&world, args).exits(0).stdout;
    let short = page(&["-h"]);
    assert!(short.lines().count() <= 24 && short.contains("--wait") && short.contains("verify, repair"), "{short}");
    assert_eq!(page(&["-o", "x", "t1", "-h"]), short);
    let long = page(&["--help"]);
    assert_eq!(page(&["help"]), long);
    for part in ["Examples:", "Exit codes:", "129", "--allow-private-hosts", "Network:"] {
        assert!(long.contains(part) && !short.contains(part), "{part}");
    }
    for name in ["verify", "export", "help"] {
        assert_eq!(page(&["help", name]), page(&[name, "--help"]));
        assert!(page(&["help", name]).contains(&format!("yescale-dl {name}")), "{name}");
    }
    let run = run_command(&world, &["help", "verfy"]).exits(2);
    assert!(run.stderr.contains("'verify'") && run.stdout.is_empty(), "{run:?}");
    world.write_file("config/yescale-dl/config.toml", "no = 'setting'");
    assert_eq!(page(&["help"]), long, "the configuration is not read");
}

/// What a shell offers for each line, and what it must not offer. The working directory has the folders `yescale` and `other
/// one`, and the file `ids.txt`.
const OFFERS: [(&str, &[&str], &[&str]); 21] = [
    ("", &["verify", "export", "help"], &["ids.txt", "--quick"]),
    ("ver", &["verify"], &["export"]),
    ("--lim", &["--limit-rate"], &["--jobs"]),
    ("-o ", &["yescale"], &["ids.txt", "verify"]),
    ("-i ", &["ids.txt"], &["verify"]),
    ("--color ", &["auto", "always", "never"], &["verify", "ids.txt"]),
    ("--only v", &["video"], &["image", "verify"]),
    ("777 --onl", &["--only"], &["--quick"]),
    ("777 778 --only v", &["video"], &["image"]),
    ("verify --q", &["--quick", "--quiet"], &["--limit-rate"]),
    ("verify y", &["yescale"], &["ids.txt"]),
    ("verify --quick y", &["yescale"], &["ids.txt"]),
    ("repair --color n", &["never"], &["auto"]),
    ("repair --lim", &["--limit-rate"], &["--quick"]),
    ("export ", &["otio", "csv", "bagit"], &["verify"]),
    ("export csv y", &["yescale"], &["verify"]),
    ("export csv -O i", &["ids.txt"], &["verify"]),
    ("config --pro", &["--progress"], &["--quick"]),
    ("schema ", &["manifest", "events"], &["verify"]),
    ("completions ", &["bash", "zsh", "fish"], &["verify"]),
    ("help ver", &["verify"], &["export"]),
];

/// A working directory for `OFFERS`, and the script of `shell` in `_yescale-dl`.
fn world_to_complete(shell: &str) -> World {
    let world = World::new();
    for folder in ["yescale", "other one"] {
        std::fs::create_dir(world.home().join(folder)).unwrap();
    }
    world.write_file("ids.txt", "");
    world.write_file("functions/_yescale-dl", script(&world, shell));
    world
}

/// Checks what a shell offers. `offered` gets the line that was typed, without the name of the program.
fn assert_offers(offered: impl Fn(&str) -> Vec<String>) {
    for (line, with, without) in OFFERS {
        let offered = offered(line);
        let has = |word: &&&str| offered.iter().any(|offer| offer.trim_end_matches('/') == **word);
        assert!(with.iter().all(|word| has(&word)) && !without.iter().any(|word| has(&word)), "{line:?}: {offered:?}");
    }
}

/// The lines that a shell prints for a script of its own.
fn run_shell(world: &World, program: &str, args: &[&str]) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_yescale-dl")).parent().unwrap();
    let path =
        std::env::join_paths([path.to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())));
    let mut command = Command::new(program);
    command.args(args).current_dir(world.home()).env("HOME", world.home()).env("PATH", path.unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs bash"]
fn bash_completes_every_command_and_value() {
    let world = world_to_complete("bash");
    run_reader("bash", &["-n"], &script(&world, "bash"));
    let offered = |line: &str| {
        // As bash calls the function: the words, and the one to complete with the one before it.
        let words: Vec<&str> = ["yescale-dl"].into_iter().chain(line.split(' ')).collect();
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let script = format!(
            "source functions/_yescale-dl; COMP_WORDS=({}); COMP_CWORD={}; compopt() {{ :; }}; \
             _yescale_dl yescale-dl '{last}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            quoted.join(" "),
            words.len() - 1
        );
        run_shell(&world, "bash", &["-c", &script])
    };
    assert_offers(offered);
    assert_eq!(offered("verify other"), ["other one"]);
    assert_eq!(offered("--only video,i"), ["video,image"]);
    assert_eq!(offered("--color = n"), ["never"], "bash splits --color=n");
    assert_eq!(offered("-o yescale ver"), [""], "a command must be the first word");
}

#[test]
#[ignore = "needs zsh"]
fn zsh_completes_every_command_and_value() {
    let world = world_to_complete("zsh");
    run_reader("zsh", &["-n"], &script(&world, "zsh"));
    // An interactive shell in a terminal of its own. Its completion function prints what it would offer, one per line.
    let driver = r#"
        zmodload zsh/zpty; zpty -d z 2>/dev/null; zpty z zsh -f -i
        zpty -w z 'PS1=; PROMPT_EOL_MARK=; fpath=($PWD/functions $fpath); autoload -Uz compinit; compinit -u -D'
        zpty -w z 'compadd() { local -a a; builtin compadd -A a "$@"; (( $#a )) && print -rl -- OFFER:$^a >> offers; builtin compadd "$@" }'
        zpty -w z 'ended() { print -r DONE >> offers }; comppostfuncs=(ended); print -r READY >> offers'
        repeat 500 { [[ -e offers ]] && break; zpty -rt z x 2>/dev/null; sleep 0.02 }
        zpty -n -w z "yescale-dl $1"$'\t'
        repeat 500 { grep -q DONE offers && break; zpty -rt z x 2>/dev/null; sleep 0.02 }
        zpty -d z; grep -h ^OFFER: offers | sed s/^OFFER://; rm offers; true
    "#;
    assert_offers(|line| run_shell(&world, "zsh", &["-f", "-c", driver, "zsh", line]));
}

#[test]
#[ignore = "needs fish"]
fn fish_completes_every_command_and_value() {
    let world = world_to_complete("fish");
    run_reader("fish", &["--no-execute"], &script(&world, "fish"));
    assert_offers(|line| {
        let offers = run_shell(
            &world,
            "fish",
            &["--no-config", "-c", "source functions/_yescale-dl; complete -C \"yescale-dl $argv[1]\"", "--", line],
        );
        offers.into_iter().map(|offer| offer.split('\t').next().unwrap().to_owned()).collect()
    });
}

#[test]
#[ignore = "needs man"]
fn man_renders_the_man_page() {
    let page = run_command(&World::new(), &["man"]).exits(0).stdout;
    let shown = run_reader("man", &["--warnings", "-l"], &page);
    assert!(shown.contains("yescale-dl verify [OPTIONS] [DIR]") && shown.contains("-x, --connections"), "{shown}");
}
