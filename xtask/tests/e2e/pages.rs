//! The HTML pages of real runs, in a real browser: nothing is asked of the network, nothing is amiss on the console, the
//! verdict can be read and the charts have an area, on a desk and on a phone. axe-core finds nothing that keeps anybody
//! out, and nothing is wider than a phone.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::browser::{audit, axe, browser, look, picture};
use crate::faults::faulty_server;
use crate::support::{Run, read, root, wait_until};

/// The blocks of a comparison of a server with itself, its head made slower in one metric.
fn slower(dir: &Path) -> PathBuf {
    let recorded = root().join("crates/load-stats/tests/recorded/busy-pairs.json");
    let mut blocks: Value = serde_json::from_str(&read(&recorded)).unwrap();
    for pair in blocks["pairs"].as_array_mut().unwrap() {
        let median = &mut pair["head"]["values"]["mission_create_duration med"];
        *median = (median.as_f64().unwrap() * 1.4).into();
    }
    let path = dir.join("slower.json");
    std::fs::write(&path, blocks.to_string()).unwrap();
    path
}

/// Makes `folder` a run that searched for a capacity, of `run` and of a real search, and writes its page.
fn capacity_page(run: &Path, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let found = read(&root().join("xtask/src/report/fixtures/capacity.json"));
    let mut record: Value = serde_json::from_str(&read(&run.join("run.json"))).unwrap();
    record["profile"] = "capacity".into();
    record["tests"][0]["capacity"] = serde_json::from_str(&found).unwrap();
    std::fs::write(folder.join("run.json"), record.to_string()).unwrap();
    let mut report = Command::new(env!("CARGO_BIN_EXE_xtask"));
    report
        .args(["report", "--results"])
        .arg(folder.parent().unwrap())
        .arg(folder);
    assert!(report.status().unwrap().success());
}

#[test]
fn every_kind_of_page_is_seen_in_a_browser() {
    let command = "load missions --time-scale 0.01 --judge-when-busy";
    let done = Run::new(command).server_bin(faulty_server()).done();
    done.exits(0);
    let (results, passed) = (done.results.clone(), done.folder());
    let again = Run::new(command)
        .server_bin(faulty_server())
        .env("TACHIKOMA_FAULTS", "POST /api/missions: error=50%")
        .env("TACHIKOMA_ALLOW_FAULTS", "1")
        .results_in(&results)
        .done();
    again.exits(1);
    let failed = again.folder();
    let past = Run::history("--html").results_in(&results).done();
    past.exits(0);
    let searched = results.join("2020-01-01T00-00-00Z-capacity");
    capacity_page(&passed, &searched);
    let blocks = slower(&results);
    let compared = Run::compare("--replay")
        .arg(blocks.to_str().unwrap())
        .results_in(&results)
        .done();
    compared.exits(1);
    let report = |folder: &Path| folder.join("report.html");
    let folders = std::fs::read_dir(&results).unwrap().flatten();
    let mut folders = folders.map(|entry| entry.path());
    let compared = folders.find(|path| path.join("compare.json").is_file());
    let (index, compared) = (results.join("index.html"), report(&compared.unwrap()));
    let all = [
        report(&passed),
        report(&failed),
        index.clone(),
        results.join("history.html"),
        compared,
        report(&searched),
    ];
    // Without a browser, that they are there and self-contained is still worth knowing.
    let pages = all.each_ref().map(|page| read(page));
    for html in &pages {
        assert!(
            html.contains("default-src 'none'") && !html.contains("src=\"http"),
            "{html}"
        );
    }
    let Some(browser) = browser() else { return };
    for width in [1200, 390] {
        let seen = look(&browser, &report(&passed), width);
        seen.is_quiet();
        seen.says("passed");
        seen.says("mission_create_duration p(95)");
        seen.says("Mission CRUD › create status is 201");
        seen.says("cargo xtask load-test load missions --time-scale 0.01");
        // Percentiles, histogram, latency, requests, failures, virtual users, memory and CPU.
        seen.shows("charts", 8, 300.0, 110.0);
        seen.shows("bars", 6, 60.0, 10.0);
        let seen = look(&browser, &index, width);
        seen.is_quiet();
        seen.says("load missions at time scale 0.01");
        seen.shows("sparks", 2, 80.0, 20.0);
    }
    let seen = look(&browser, &report(&searched), 390);
    seen.is_quiet();
    for text in [
        "the edge: 18 users",
        "requests waited for their turn",
        "Throughput by load",
    ] {
        seen.says(text);
    }
    // No request failed: of that there is none.
    seen.shows("charts", 3, 300.0, 110.0);
    let seen = look(&browser, &report(&failed), 390);
    seen.is_quiet();
    for text in [
        "Errors by status",
        "500",
        "p95 of the run before",
        "run before",
    ] {
        seen.says(text);
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        picture(&browser, &report(&failed), 1280, "failed-run.png");
        picture(&browser, &report(&failed), 390, "failed-run-phone.png");
    }
    let Some(axe) = axe() else { return };
    let bad = pages[2].replace(
        "<main>",
        "<main><img src=\"data:,\"><table style=\"width: 1500px\"></table>",
    );
    let audited = audit(&browser, &axe, &[&pages[..], &[bad]].concat());
    let (good, bad) = audited.split_at(2 * pages.len());
    for seen in good {
        assert_eq!(seen["inner"], seen["width"], "{seen}");
        assert_eq!(seen["findings"], serde_json::json!([]), "{seen}");
        assert_eq!(
            (&seen["wide"], &seen["overflow"]),
            (&serde_json::json!([]), &0.into()),
            "{seen}"
        );
        assert_eq!(seen["without"], 0, "a chart without its values: {seen}");
        assert!(seen["smallest"].as_f64().unwrap() >= 10.0, "{seen}");
        assert!(seen["rules"].as_u64().unwrap() > 20, "{seen}");
    }
    assert_ne!(good[0]["back"], good[1]["back"], "the dark is the light");
    for seen in bad {
        assert!(seen["findings"].to_string().contains("image-alt"), "{seen}");
        assert_ne!(
            (&seen["wide"], &seen["overflow"]),
            (&serde_json::json!([]), &0.into()),
            "{seen}"
        );
    }
}

#[test]
fn a_page_that_asks_for_something_would_be_noticed() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let done = Run::new("smoke health --time-scale 0.02")
        .own_server()
        .done();
    let html = read(&done.folder().join("report.html"));
    let bad = dir.path().join("bad.html");
    std::fs::write(
        &bad,
        html.replace(
            "<main>",
            "<main><img src=\"http://127.0.0.1:9/x.png\"><script>1</script>",
        ),
    )
    .unwrap();
    let seen = look(&browser, &bad, 1200);
    assert!(seen.console.len() >= 2, "{:?}", seen.console);
}

#[test]
fn hostile_text_is_seen_as_text() {
    let Some(browser) = browser() else { return };
    let evil = "<script>document.body.innerHTML='gone'</script><b>\"x\" & 'y'";
    let done = Run::new("smoke health --time-scale 0.02")
        .own_server()
        .done();
    let path = done.folder().join("run.json");
    let mut run = done.run();
    run["notices"] = serde_json::json!([evil]);
    run["revision"] = serde_json::json!({"commit": "1234567890", "branch": evil, "dirty": true});
    run["tests"][0]["checks"][0]["name"] = evil.into();
    std::fs::write(&path, run.to_string()).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["report", "--all", "--results"])
        .arg(&done.results)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let seen = look(&browser, &done.folder().join("report.html"), 1200);
    seen.is_quiet();
    assert_eq!(
        seen.page["text"].as_str().unwrap().matches(evil).count(),
        3,
        "{}",
        seen.page["text"]
    );
}

#[test]
fn a_page_in_the_way_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // A folder where the index is to be: it cannot be written.
    let results = dir.path().join("results");
    std::fs::create_dir_all(results.join("index.html/full")).unwrap();
    let done = Run::new("smoke health --time-scale 0.02")
        .own_server()
        .env("TACHIKOMA_RESULTS", results.to_str().unwrap())
        .done();
    done.exits(0).says("index.html");
    assert!(results.join("latest/run.json").is_file());
}

#[test]
fn report_names_what_it_cannot_read() {
    let done = Run::new("smoke health --time-scale 0.02")
        .own_server()
        .done();
    let broken = done.results.join("2020-01-01T00-00-00Z-smoke");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("run.json"), "{\"half\":").unwrap();
    std::fs::remove_file(done.folder().join("report.html")).unwrap();
    let report = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("report")
            .args(args)
            .arg("--results")
            .arg(&done.results);
        command.output().unwrap()
    };
    let out = report(&[]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert!(
        said.contains("2020-01-01T00-00-00Z-smoke: run.json is corrupted"),
        "{said}"
    );
    assert!(
        String::from_utf8_lossy(&out.stdout)
            .trim()
            .ends_with("report.html")
    );
    assert!(done.folder().join("report.html").is_file());
    let out = report(&["no-such-run"]);
    assert_eq!(
        out.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(
        report(&["2020-01-01T00-00-00Z-smoke"]).status.code(),
        Some(3)
    );
}

#[test]
fn the_live_dashboard_is_opened_and_its_address_kept() {
    // Stand-ins for the desktop's opener, which writes down what it is to open, and for what detaches it, whose child
    // takes longer than the whole run to have a session of its own, as on a busy machine.
    let dir = tempfile::tempdir().unwrap();
    let opener = dir.path().join("xdg-open");
    let opened = dir.path().join("opened");
    let script = format!(
        "#!/bin/sh\necho \"$1\" > '{0}.new' && mv '{0}.new' '{0}'\n",
        opened.display()
    );
    std::fs::write(&opener, script).unwrap();
    std::fs::set_permissions(&opener, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let slow = dir.path().join("setsid");
    std::fs::write(
        &slow,
        "#!/bin/sh\nshift\n(sleep 4; PATH=${PATH#*:} exec setsid env PATH=\"$PATH\" \"$@\") &\n",
    )
    .unwrap();
    std::fs::set_permissions(&slow, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        dir.path().display(),
        std::env::var("PATH").unwrap()
    );
    let done = Run::new("smoke health --time-scale 0.02 --open")
        .own_server()
        .env("PATH", &path)
        .done();
    done.exits(0);
    wait_until("the dashboard is opened", || opened.is_file());
    let address = read(&opened).trim().to_owned();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    assert!(read(&done.folder().join("health/k6.log")).contains(&address));
    // Without a terminal it is for the log alone.
    assert!(!done.stderr.contains(&address), "{}", done.stderr);
}
