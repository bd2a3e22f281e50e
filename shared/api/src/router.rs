//! From method and path to a route.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::problem::Problem;
use crate::route::{Handler, Route};

/// The parts of a path that have names, each with what stands in its place.
type Parts = Vec<(String, String)>;

/// All routes, found by path and method.
pub struct Router<M> {
    routes: Vec<Route<Handler<M>>>,
    /// For each path the places of its routes.
    paths: matchit::Router<Vec<usize>>,
}

/// Two routes are the same, or a path cannot be read: a mistake in the list of routes.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The path cannot be read, or stands against another one.
    #[error("the path {path} cannot be a route")]
    Path {
        /// The path.
        path: &'static str,
        /// Why.
        #[source]
        source: matchit::InsertError,
    },
    /// There are two routes of this method and path.
    #[error("{method} {path} is there twice")]
    Twice {
        /// The method.
        method: Method,
        /// The path.
        path: &'static str,
    },
}

impl<M> std::fmt::Debug for Router<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.routes).finish()
    }
}

impl<M> Router<M> {
    /// Finds these routes.
    ///
    /// # Errors
    /// When the list has a mistake.
    pub fn new(routes: Vec<Route<Handler<M>>>) -> Result<Self, RouterError> {
        let mut by_path: Vec<(&'static str, Vec<usize>)> = Vec::new();
        for (place, route) in routes.iter().enumerate() {
            let path = route.path;
            let known = by_path.iter_mut().find(|(of, _)| *of == path);
            let Some((_, places)) = known else {
                by_path.push((path, vec![place]));
                continue;
            };
            let method_is_taken = |place: &usize| {
                let other = routes.get(*place);
                other.is_some_and(|other| other.method == route.method)
            };
            if places.iter().any(method_is_taken) {
                return Err(RouterError::Twice {
                    method: route.method.clone(),
                    path,
                });
            }
            places.push(place);
        }
        let mut paths = matchit::Router::new();
        for (path, places) in by_path {
            paths
                .insert(path, places)
                .map_err(|source| RouterError::Path { path, source })?;
        }
        Ok(Self { routes, paths })
    }

    /// The route, and the decoded parts of the path that have names.
    ///
    /// # Errors
    /// 404, or 405 that says what is allowed.
    pub fn find(
        &self,
        method: &Method,
        path: &str,
    ) -> Result<(&Route<Handler<M>>, Parts), Problem> {
        let found = self.paths.at(path).map_err(|_| Problem::no_route())?;
        let here: Vec<&Route<Handler<M>>> = found
            .value
            .iter()
            .filter_map(|place| self.routes.get(*place))
            .collect();
        let Some(route) = here.iter().find(|route| route.method == *method) else {
            let allowed: Vec<Method> = here.iter().map(|route| route.method.clone()).collect();
            return Err(Problem::method_not_allowed(&allowed));
        };
        let parts = found
            .params
            .iter()
            .map(|(name, value)| {
                let value = percent_decode_str(value).decode_utf8_lossy();
                (name.to_owned(), value.into_owned())
            })
            .collect();
        Ok((route, parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    fn find(method: &Method, path: &str) -> Result<(&'static str, Parts), Problem> {
        let router = Router::new(routes::of_accounts()).unwrap();
        let (route, parts) = router.find(method, path)?;
        Ok((route.operation, parts))
    }

    #[test]
    fn route_is_found_by_path_then_by_method() {
        let part = |value: &str| vec![("name".to_owned(), value.to_owned())];
        for (method, path, operation, parts) in [
            (Method::GET, "/v1/accounts", "listAccounts", Vec::new()),
            (Method::GET, "/v1/accounts/sn", "getAccount", part("sn")),
            (Method::GET, "/v1/accounts/a%20b", "getAccount", part("a b")),
            (
                Method::POST,
                "/v1/accounts/sn/verify",
                "verifyAccount",
                part("sn"),
            ),
        ] {
            assert_eq!(find(&method, path).unwrap(), (operation, parts), "{path}");
        }
        for path in [
            "/",
            "",
            "/v1",
            "/v1/accounts/",
            "/v1/accounts/a/b",
            "/V1/me",
            "/v1//me",
        ] {
            assert_eq!(
                find(&Method::GET, path).unwrap_err().status(),
                404,
                "{path}"
            );
        }
        let problem = find(&Method::POST, "/v1/accounts/sn").unwrap_err();
        assert_eq!(problem.status(), 405);
        assert_eq!(problem.headers[0].1, "GET, PUT, DELETE");
    }

    #[test]
    fn list_with_the_same_route_twice_is_refused() {
        let twice = routes::of_accounts().into_iter();
        let twice = twice.chain(routes::of_accounts()).collect();
        assert!(matches!(Router::new(twice), Err(RouterError::Twice { .. })));
    }
}
