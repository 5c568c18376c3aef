//! Users, rights, sessions.

use model::{
    access::{Role, UserId},
    refusal::Thing,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, StoreError};

/// A user with what the login needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Who.
    pub user: UserId,
    /// argon2id hash in PHC form.
    pub password_hash: String,
    /// Language and theme as JSON.
    pub preferences: String,
}

/// A session; the token itself is stored nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the token, hex.
    pub token_hash: String,
    /// Whose.
    pub user: UserId,
    /// Anti-forgery token.
    pub csrf: String,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds of the last use.
    pub seen: i64,
}

const HAS_ADMINISTRATOR: &str =
    "SELECT EXISTS (SELECT 1 FROM acl WHERE path = '/' AND role = 'Administrator')";

fn insert_user(c: &Connection, user: &UserId, password_hash: &str, role: Role) -> Result<(), StoreError> {
    let sql = "INSERT INTO users (user, password_hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    if c.execute(sql, params![user.as_str(), password_hash])? == 0 {
        return Err(StoreError::Taken { what: Thing::User, given: user.to_string() });
    }
    c.execute("INSERT INTO acl VALUES ('/', ?1, ?2)", params![user.as_str(), role.as_str()])?;
    Ok(())
}

impl Store {
    /// Adds a user with a role at `/`.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when the name is.
    pub fn insert_user(&self, user: &UserId, password_hash: &str, role: Role) -> Result<(), StoreError> {
        self.transaction(|c| insert_user(c, user, password_hash, role))
    }

    /// Adds the first administrator, as long as there is none: two setups at once make one.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when there is one, or the name is taken.
    pub fn insert_first_administrator(&self, user: &UserId, password_hash: &str) -> Result<(), StoreError> {
        self.transaction(|c| {
            if c.query_row(HAS_ADMINISTRATOR, [], |r| r.get(0))? {
                return Err(StoreError::HasAdministrator);
            }
            insert_user(c, user, password_hash, Role::Administrator)
        })
    }

    /// All users by name.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn list_users(&self) -> Result<Vec<UserId>, StoreError> {
        let connection = self.lock();
        let mut query = connection.prepare("SELECT user FROM users ORDER BY user")?;
        let names = query.query_map([], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(names.iter().filter_map(|n| n.parse().ok()).collect())
    }

    /// Gives a user a role on a path, in place of the one they had there.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such user.
    pub fn put_acl(&self, path: &str, user: &UserId, role: Role) -> Result<(), StoreError> {
        if self.find_user(user)?.is_none() {
            return Err(StoreError::Absent);
        }
        let sql = "INSERT INTO acl VALUES (?1, ?2, ?3) ON CONFLICT(path, user) DO UPDATE SET role = ?3";
        self.lock().execute(sql, params![path, user.as_str(), role.as_str()])?;
        Ok(())
    }

    /// One user.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_user(&self, user: &UserId) -> Result<Option<UserRow>, StoreError> {
        let sql = "SELECT password_hash, preferences FROM users WHERE user = ?1";
        let row = self.lock().query_row(sql, [user.as_str()], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        Ok(row.map(|(password_hash, preferences)| UserRow { user: user.clone(), password_hash, preferences }))
    }

    /// Stores language and theme.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_preferences(&self, user: &UserId, json: &str) -> Result<(), StoreError> {
        self.lock()
            .execute("UPDATE users SET preferences = ?2 WHERE user = ?1", params![user.as_str(), json])?;
        Ok(())
    }

    /// Whether an Administrator exists, however made.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn has_administrator(&self) -> Result<bool, StoreError> {
        Ok(self.lock().query_row(HAS_ADMINISTRATOR, [], |r| r.get(0))?)
    }

    /// A user's rights: path and role.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn acl_of(&self, user: &UserId) -> Result<Vec<(String, Role)>, StoreError> {
        let connection = self.lock();
        let mut query = connection.prepare_cached("SELECT path, role FROM acl WHERE user = ?1")?;
        let rows =
            query.query_map([user.as_str()], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        // A role that this version does not know gives nothing.
        Ok(rows.into_iter().map(|(path, role)| (path, role.parse().unwrap_or(Role::NoAccess))).collect())
    }

    /// Adds a session.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn insert_session(&self, session: &SessionRow) -> Result<(), StoreError> {
        let SessionRow { token_hash, user, csrf, created, seen } = session;
        let values = params![token_hash, user.as_str(), csrf, created, seen];
        self.lock().execute("INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
        Ok(())
    }

    /// The session behind a token's hash.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_session(&self, token_hash: &str) -> Result<Option<SessionRow>, StoreError> {
        let sql = "SELECT user, csrf, created, seen FROM sessions WHERE token_hash = ?1";
        let row = self
            .lock()
            .query_row(sql, [token_hash], |r| Ok((r.get::<_, String>(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
            .optional()?;
        Ok(row.and_then(|(user, csrf, created, seen)| {
            Some(SessionRow {
                token_hash: token_hash.to_owned(),
                user: user.parse().ok()?,
                csrf,
                created,
                seen,
            })
        }))
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn touch_session(&self, token_hash: &str, now: i64) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET seen = ?2 WHERE token_hash = ?1";
        self.relaxed_transaction(|c| Ok(c.execute(sql, params![token_hash, now])?)).map(|_| ())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn delete_session(&self, token_hash: &str) -> Result<(), StoreError> {
        self.lock().execute("DELETE FROM sessions WHERE token_hash = ?1", [token_hash])?;
        Ok(())
    }

    /// Ends all sessions of a user: their password or rights have changed.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn delete_user_sessions(&self, user: &UserId) -> Result<(), StoreError> {
        self.lock().execute("DELETE FROM sessions WHERE user = ?1", [user.as_str()])?;
        Ok(())
    }

    /// Ends sessions that began or were last used before the given times.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn prune_sessions(&self, created_before: i64, seen_before: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM sessions WHERE created < ?1 OR seen < ?2";
        self.lock().execute(sql, params![created_before, seen_before])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setup_is_over_as_soon_as_an_administrator_exists() {
        let store = Store::in_memory().unwrap();
        let user = UserId::parse_login("anna").unwrap();
        assert!(!store.has_administrator().unwrap());
        store.insert_user(&user, "h", Role::Administrator).unwrap();
        assert!(store.has_administrator().unwrap());
        assert!(matches!(store.insert_user(&user, "h", Role::Auditor), Err(StoreError::Taken { .. })));
        assert_eq!(store.acl_of(&user).unwrap(), [("/".to_owned(), Role::Administrator)]);
    }

    #[test]
    fn only_one_first_administrator_is_made() {
        let store = Store::in_memory().unwrap();
        let [anna, otto] = ["anna", "otto"].map(|n| UserId::parse_login(n).unwrap());
        store.insert_user(&otto, "h", Role::Auditor).unwrap();
        store.insert_first_administrator(&anna, "h").unwrap();
        let second = UserId::parse_login("eve").unwrap();
        assert!(matches!(store.insert_first_administrator(&second, "h"), Err(StoreError::HasAdministrator)));
        assert_eq!(store.list_users().unwrap(), [anna, otto]);
    }

    #[test]
    fn a_role_replaces_the_one_on_the_same_path() {
        let store = Store::in_memory().unwrap();
        let anna = UserId::parse_login("anna").unwrap();
        assert!(matches!(store.put_acl("/", &anna, Role::Auditor), Err(StoreError::Absent)));
        store.insert_user(&anna, "h", Role::Administrator).unwrap();
        store.put_acl("/", &anna, Role::Auditor).unwrap();
        store.put_acl("/vms/100", &anna, Role::VmUser).unwrap();
        let rights = [("/".to_owned(), Role::Auditor), ("/vms/100".to_owned(), Role::VmUser)];
        assert_eq!(store.acl_of(&anna).unwrap(), rights);
        assert!(!store.has_administrator().unwrap());
    }

    #[test]
    fn sessions_end_alone_together_or_by_age() {
        let store = Store::in_memory().unwrap();
        let [anna, otto] = ["anna", "otto"].map(|n| UserId::parse_login(n).unwrap());
        let session = |token: &str, user: &UserId, seen| SessionRow {
            token_hash: token.into(),
            user: user.clone(),
            csrf: "c".into(),
            created: 10,
            seen,
        };
        assert!(store.insert_session(&session("x", &anna, 10)).is_err(), "a session needs its user");
        store.insert_user(&anna, "h", Role::Administrator).unwrap();
        store.insert_user(&otto, "h", Role::Auditor).unwrap();
        for (token, user) in [("a", &anna), ("b", &anna), ("c", &anna), ("o", &otto)] {
            store.insert_session(&session(token, user, 10)).unwrap();
        }
        let left = || ["a", "b", "c", "o"].map(|t| store.find_session(t).unwrap().is_some());
        assert_eq!(store.find_session("a").unwrap(), Some(session("a", &anna, 10)));
        store.delete_session("a").unwrap();
        assert_eq!(left(), [false, true, true, true]);
        store.touch_session("b", 30).unwrap();
        store.touch_session("o", 30).unwrap();
        store.prune_sessions(0, 20).unwrap();
        assert_eq!(left(), [false, true, false, true]);
        store.delete_user_sessions(&anna).unwrap();
        assert_eq!(left(), [false, false, false, true]);
        store.prune_sessions(11, 0).unwrap();
        assert_eq!(left(), [false; 4]);
    }
}
