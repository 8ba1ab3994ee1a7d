"""Registries of images, and who may take what from them."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    " toomanyrequests: {words}",
    "You have reached your unauthenticated pull rate limit",
    "unauthorized: authentication required",
    "unauthorized: incorrect username or password",
    "Error response from daemon: unauthorized:",
    "denied: requested access to the resource is denied",
    "Error response from daemon: denied",
    "error from registry: denied",
    "Requesting bearer token: invalid status code from registry {code:int}",
    "failed to authorize: failed to fetch {token} token",
    "pull access denied for {image:path}, repository does not exist or may require",
    "unexpected status from HEAD request to {url:path}: {code:int}",
    "unexpected status code [manifests {tag:path}]: {code:int}",
    "no basic auth credentials",
    "Error: unable to retrieve auth token: invalid username/password",
)
def image_refused(found: Found) -> Verdict | None:
    """A registry refused to give an image.

    Docker Hub limits what is taken without an account; some of NVIDIA's images (NIM) need an API key, with the user name
    `$oauthtoken`. A login that has expired is refused for public images too.

    Sources:
    - docs.docker.com, "Docker Hub pull usage and limits"; NVIDIA NGC, user guide
    """
    line = found.line
    if "toomanyrequests" in line or "rate limit" in line or found["code"] == "429":
        return fail(
            "the registry's limit for downloads without an account is reached",
            remedy="Log in, or wait some hours.",
            command="docker login",
        )
    if found["code"] and found["code"] not in ("401", "403"):
        return None
    nvidia = any("nvcr.io" in one for one in (line, *found.before, *found.after))
    if nvidia:
        return fail(
            "NVIDIA's registry refused the image: it needs a login, or the one that is stored has expired",
            remedy="Log in with an API key of NGC as the password, and the user name $oauthtoken.",
            command="docker login nvcr.io --username '$oauthtoken'",
        )
    return fail(
        "the registry refused the image: it is not public, its name is another, or the login has expired",
        remedy="Check the image's name; log in where it is not public.",
        command="docker login",
    )
