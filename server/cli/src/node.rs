//! Verbs on the node.

use model::finding::{Finding, FindingLevel};
use protocol::engine::calls::{GetNode, ListAudit, NewSetupCode};

use crate::{CliError, Session, show};

pub(crate) fn node(session: &Session) -> Result<u8, CliError> {
    let node = session.client.call(GetNode {})?;
    if session.is_json {
        return show::json(&node);
    }
    let rows = [
        ("node", node.node.to_string()),
        ("version", node.version),
        ("cores", node.capacity.cores.to_string()),
        ("memory", node.capacity.memory.to_string()),
        ("memory promised", node.memory_promised.to_string()),
        ("memory available", node.memory_available.to_string()),
        ("disk free", node.disk_free.to_string()),
        ("cgroups", node.cgroup_layout),
        ("subnet", node.subnet),
    ];
    Ok(show::table(&["KEY", "VALUE"], rows.into_iter().map(|(key, value)| vec![key.to_owned(), value])))
}

pub(crate) fn setup_code(session: &Session) -> Result<u8, CliError> {
    let code = session.client.call(NewSetupCode {})?;
    if session.is_json {
        return show::json(&code);
    }
    println!("{}", code.reveal());
    Ok(0)
}

pub(crate) fn audit(session: &Session, limit: u32) -> Result<u8, CliError> {
    let entries = session.client.call(ListAudit { limit })?;
    if session.is_json {
        return show::json(&entries);
    }
    let rows = entries.into_iter().map(|e| {
        let address = e.address.map_or_else(|| "local".to_owned(), |a| a.to_string());
        vec![e.time.to_string(), e.actor, address, e.action, e.object, e.result]
    });
    Ok(show::table(&["TIME", "WHO", "FROM", "WHAT", "ON", "RESULT"], rows))
}

pub(crate) fn findings(findings: &[Finding], is_json: bool) -> u8 {
    let worst = findings.iter().map(|f| f.level).max().unwrap_or(FindingLevel::Ok);
    if is_json {
        let _ = show::json(&findings);
    } else {
        let word = |level| match level {
            FindingLevel::Ok => "ok",
            FindingLevel::Warning => "warning",
            FindingLevel::Blocker => "BLOCKER",
        };
        let rows = findings
            .iter()
            .map(|f| vec![word(f.level).to_owned(), f.check.clone(), f.found.clone(), f.mend.clone()]);
        show::table(&["", "CHECK", "FOUND", "WHAT TO DO"], rows);
    }
    u8::from(worst == FindingLevel::Blocker)
}
