"""A program as a user would write it; the type checker reads it, nothing runs it."""

import redloom


def main() -> None:
    with redloom.open("sqlite:///redloom.db", who="lead") as workspace:
        applied = redloom.apply(workspace, "study.yaml", why="first draft")
        print(applied.study, len(applied.changes))
        try:
            done = redloom.run(
                workspace,
                f"{applied.study}@1.0",
                target="local:smollm2",
                arms=["full", "no_context"],
                attempts={"full": 2, "no_context": 1},
                judges=["rule:refusal"],
            )
        except redloom.StoppedError as stopped:
            print(stopped)
            done = redloom.resume(workspace, "last")
        print(done.state, done.states.get("completed", 0), done.cost)
        judged = redloom.judge(workspace, done.run, judge="local:smollm2", sample=10)
        print(judged.states)
        print(redloom.write_report(workspace, done.run, "report.html"))
