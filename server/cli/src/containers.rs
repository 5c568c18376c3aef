//! Verbs on containers.

use model::{Bytes, PowerState, TaskId};
use protocol::engine::{
    Secret,
    calls::{
        ContainerRef, CreateContainer, DestroyContainer, GetContainer, LimitChanges, ListContainers,
        RebootContainer, ResumeContainer, SetContainer, ShutdownContainer, StartContainer, StopContainer,
        SuspendContainer,
    },
    view::{ContainerDetail, ContainerSummary},
};

use crate::{
    CliError, Session,
    command::{CreateOptions, LimitOptions, SetOptions},
    show, tasks,
};

fn changes(options: &LimitOptions) -> LimitChanges {
    LimitChanges {
        memory_max: options.memory,
        swap_max: options.swap,
        cores: options.cores.map(|n| (n > 0).then_some(n)),
        cpulimit: options.cpulimit.map(|l| l.0),
        cpuunits: options.cpuunits,
        pids_max: options.pids,
    }
}

pub(crate) fn create(session: &Session, options: &CreateOptions) -> Result<u8, CliError> {
    let (vmid, template) = options.parse_what().map_err(|e| CliError::Usage(e.to_string()))?;
    let ssh_keys = match &options.ssh_public_keys {
        Some(path) => std::fs::read_to_string(path).map_err(|e| CliError::File(path.clone(), e))?,
        None => String::new(),
    };
    let created = session.client.call(CreateContainer {
        vmid,
        hostname: options.name.clone(),
        template,
        limits: changes(&options.limits),
        is_onboot: options.onboot,
        power: if options.start { PowerState::On } else { PowerState::Off },
        password: if options.password_stdin { Some(read_password()?) } else { None },
        ssh_keys,
        parameters: options.parameters.iter().map(|p| parameter(p)).collect::<Result<_, _>>()?,
        forwards: options.forwards.clone(),
        net0: options.net0.clone(),
    })?;
    if !session.is_json && session.is_waiting {
        eprintln!("creating {} ({})", created.name, created.vmid);
    }
    tasks::follow(session, &created.task)?;
    if session.is_json && session.is_waiting { status(session, created.vmid.into()) } else { Ok(0) }
}

/// `NAME=VALUE` or `NAME=@FILE`; a file's last line break is not part of the value.
fn parameter(text: &str) -> Result<(String, Secret), CliError> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| CliError::Usage(format!("--param {text}: write NAME=VALUE or NAME=@FILE")))?;
    let value = match value.strip_prefix('@') {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| CliError::File(path.into(), e))?;
            Secret::new(text.trim_end_matches(['\r', '\n']))
        }
        None => Secret::new(value),
    };
    Ok((name.to_owned(), value))
}

/// One line of standard input, so that no password stands in a list of processes.
fn read_password() -> Result<Secret, CliError> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(CliError::Terminal)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

pub(crate) fn set(session: &Session, options: SetOptions) -> Result<u8, CliError> {
    let limits = changes(&options.limits);
    let forwards = match (options.forwards, options.no_forwards) {
        (_, true) => Some(Vec::new()),
        (all, false) => (!all.is_empty()).then_some(all),
    };
    let is_onboot = options.onboot;
    let call = SetContainer {
        container: options.id,
        version: None,
        limits,
        is_onboot,
        restarts_unhealthy: options.restart_unhealthy,
        forwards,
        net0: options.net0,
    };
    let detail = session.client.call(call)?;
    if session.is_json { show::json(&detail.config) } else { Ok(show_config(&detail)) }
}

pub(crate) fn list(session: &Session) -> Result<u8, CliError> {
    let all = session.client.call(ListContainers {})?;
    if session.is_json {
        return show::json(&all);
    }
    Ok(show::table(HEADER, all.iter().map(row)))
}

const HEADER: &[&str] = &["VMID", "NAME", "STATUS", "CPU %", "MEMORY", "OF", "ADDRESS", "TEMPLATE", "UPTIME"];

fn row(c: &ContainerSummary) -> Vec<String> {
    let is_up = c.status.is_up();
    let when_up = |text: String| if is_up { text } else { "-".to_owned() };
    vec![
        c.vmid.to_string(),
        c.name.to_string(),
        c.reason
            .as_ref()
            .map_or_else(|| c.status.as_str().to_owned(), |r| format!("{}: {r}", c.status.as_str())),
        when_up(format!("{}.{}", c.cpu_usage / 100, c.cpu_usage % 100 / 10)),
        when_up(Bytes(c.memory_used_bytes).to_string()),
        Bytes(c.memory_max_bytes).to_string(),
        c.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        c.template.to_string(),
        when_up(show::duration(c.uptime_s)),
    ]
}

fn detail(session: &Session, container: ContainerRef) -> Result<ContainerDetail, CliError> {
    Ok(session.client.call(GetContainer { container })?)
}

pub(crate) fn status(session: &Session, id: ContainerRef) -> Result<u8, CliError> {
    let summary = detail(session, id)?.summary;
    if session.is_json { show::json(&summary) } else { Ok(show::table(HEADER, [row(&summary)])) }
}

pub(crate) fn config(session: &Session, id: ContainerRef) -> Result<u8, CliError> {
    let detail = detail(session, id)?;
    if session.is_json { show::json(&detail.config) } else { Ok(show_config(&detail)) }
}

fn show_config(detail: &ContainerDetail) -> u8 {
    let (config, limits) = (&detail.config, &detail.config.limits);
    let all = || "all".to_owned();
    let mut rows = vec![
        ("vmid", config.vmid.to_string()),
        ("hostname", config.hostname.to_string()),
        ("template", config.made_from()),
        ("memory", limits.memory_max.to_string()),
        ("swap", limits.swap_max.to_string()),
        ("cores", limits.cores.map_or_else(all, |n| n.to_string())),
        ("cpulimit", limits.cpulimit.map_or_else(|| "none".to_owned(), |l| l.to_string())),
        ("cpuunits", limits.cpuunits.to_string()),
        ("pids", limits.pids_max.to_string()),
        ("onboot", u8::from(config.is_onboot).to_string()),
        ("restart-unhealthy", u8::from(config.restarts_unhealthy).to_string()),
        ("ids", format!("{}-{}", detail.id_base, detail.id_base.saturating_add(65_535))),
    ];
    if !config.forwards.is_empty() {
        let all: Vec<String> = config.forwards.iter().map(ToString::to_string).collect();
        rows.push(("forwards", all.join(" ")));
    }
    if let Some(nic) = &config.nic {
        let all: Vec<String> = detail.summary.addresses.iter().map(ToString::to_string).collect();
        rows.push(("net0", nic.to_net0().to_string()));
        rows.push(("address", if all.is_empty() { "-".to_owned() } else { all.join(" ") }));
        rows.push(("mac", nic.mac.to_string()));
    }
    show::table(&["KEY", "VALUE"], rows.into_iter().map(|(key, value)| vec![key.to_owned(), value]))
}

pub(crate) fn stats(session: &Session, id: ContainerRef) -> Result<u8, CliError> {
    let detail = detail(session, id)?;
    if session.is_json {
        return show::json(&detail.usage);
    }
    let Some(usage) = detail.usage else {
        return Err(CliError::Usage(format!(
            "container {} does not run: `kiste start` it first",
            detail.config.name
        )));
    };
    let stats = usage.stats;
    let pressure = |p: model::stats::Pressure| format!("{}.{:02} %", p.some_avg10 / 100, p.some_avg10 % 100);
    let rows = [
        ("cpu", format!("{}.{} % of a core", usage.cpu_usage / 100, usage.cpu_usage % 100 / 10)),
        ("memory", format!("{} of {}", stats.memory_used, detail.config.limits.memory_max)),
        ("cache", stats.memory_cache.to_string()),
        ("peak", stats.memory_peak.to_string()),
        ("swap", stats.swap_used.to_string()),
        ("processes", format!("{} of {}", stats.pids, detail.config.limits.pids_max)),
        ("out of memory", format!("{} times", stats.oom_kills)),
        ("received", Bytes(stats.rx_bytes).to_string()),
        ("sent", Bytes(stats.tx_bytes).to_string()),
        ("waited for cpu", pressure(stats.cpu_pressure)),
        ("waited for memory", pressure(stats.memory_pressure)),
        ("waited for disk", pressure(stats.io_pressure)),
        ("uptime", show::duration(stats.uptime_s)),
    ];
    Ok(show::table(&["FIGURE", "VALUE"], rows.into_iter().map(|(key, value)| vec![key.to_owned(), value])))
}

fn done(session: &Session, task: &TaskId) -> Result<u8, CliError> {
    tasks::follow(session, task).map(|()| 0)
}

pub(crate) fn start(session: &Session, container: ContainerRef) -> Result<u8, CliError> {
    done(session, &session.client.call(StartContainer { container })?)
}

pub(crate) fn stop(session: &Session, container: ContainerRef) -> Result<u8, CliError> {
    done(session, &session.client.call(StopContainer { container })?)
}

pub(crate) fn shutdown(
    session: &Session,
    container: ContainerRef,
    timeout_s: Option<u32>,
) -> Result<u8, CliError> {
    done(session, &session.client.call(ShutdownContainer { container, timeout_s })?)
}

pub(crate) fn reboot(
    session: &Session,
    container: ContainerRef,
    timeout_s: Option<u32>,
) -> Result<u8, CliError> {
    done(session, &session.client.call(RebootContainer { container, timeout_s })?)
}

pub(crate) fn suspend(session: &Session, container: ContainerRef) -> Result<u8, CliError> {
    done(session, &session.client.call(SuspendContainer { container })?)
}

pub(crate) fn resume(session: &Session, container: ContainerRef) -> Result<u8, CliError> {
    done(session, &session.client.call(ResumeContainer { container })?)
}

pub(crate) fn destroy(session: &Session, container: ContainerRef, is_forced: bool) -> Result<u8, CliError> {
    done(session, &session.client.call(DestroyContainer { container, is_forced })?)
}
