//! Users, rights, sessions.

use model::access::{Role, UserId};
use rusqlite::{OptionalExtension, params};

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

impl Store {
    /// Adds a user with a role at `/`.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when the name is.
    pub fn insert_user(&self, user: &UserId, password_hash: &str, role: Role) -> Result<(), StoreError> {
        self.transaction(|c| {
            let sql = "INSERT INTO users (user, password_hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            if c.execute(sql, params![user.as_str(), password_hash])? == 0 {
                return Err(StoreError::Taken(format!("the user {user}")));
            }
            c.execute("INSERT INTO acl VALUES ('/', ?1, ?2)", params![user.as_str(), role.as_str()])?;
            Ok(())
        })
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
        let sql = "SELECT EXISTS (SELECT 1 FROM acl WHERE path = '/' AND role = 'Administrator')";
        Ok(self.lock().query_row(sql, [], |r| r.get(0))?)
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
        self.lock()
            .execute("UPDATE sessions SET seen = ?2 WHERE token_hash = ?1", params![token_hash, now])?;
        Ok(())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn delete_session(&self, token_hash: &str) -> Result<(), StoreError> {
        self.lock().execute("DELETE FROM sessions WHERE token_hash = ?1", [token_hash])?;
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
        assert!(matches!(store.insert_user(&user, "h", Role::Auditor), Err(StoreError::Taken(_))));
        assert_eq!(store.acl_of(&user).unwrap(), [("/".to_owned(), Role::Administrator)]);
    }
}
