"""Who is reached: one, a repo, everybody, a role; those who are away; and replies."""

from __future__ import annotations

import json

from .actors import Person, Session
from .conftest import Sessions
from .home import Home, until


def test_direct_message_reaches_the_model(session: Sessions) -> None:
    """`peer send` is safe at once, shown at the next prompt, and both ends tell the same."""
    one, two = session("a"), session("b")
    done = one.peer("send", "b", "I renamed", "the prop", "--json")
    row = done.json["messages"][0]
    assert (done.code, row["state"], row["to"]) == (0, "safe", "b")
    said = two.turn()
    assert f"[{row['id']}] message from a@box (app), just now\n> I renamed the prop\n" in said
    until(lambda: one.state(row["id"]) == "shown", "the receipt")
    assert two.turn() == ""


def test_repo_group_is_one_repo_in_two_worktrees(home: Home, session: Sessions) -> None:
    """@repo reaches the other worktree of the same repo, and not a session of another repo."""
    here, other = home.repo("shop"), home.repo("blog")
    home.git(here, "worktree", "add", "-q", "-b", "fix", str(home.path / "shop-fix"))
    one = session("a", cwd=here)
    two, three = session("b", cwd=home.path / "shop-fix"), session("c", cwd=other)
    rows = one.peer("send", "@repo", "hello repo", "--json").json["messages"]
    assert [(row["to"], row["state"]) for row in rows] == [("b", "safe")]
    assert "(shop main) to @repo" in two.prompt()
    assert three.prompt() == ""


def test_clones_with_the_same_remote_are_one_repo(home: Home, session: Sessions) -> None:
    """Two clones are the same repo by their remote's address, whatever its spelling."""
    first, second = home.repo("one"), home.repo("two")
    home.git(first, "remote", "add", "origin", "git@example.invalid:team/shop.git")
    home.git(second, "remote", "add", "origin", "https://user@example.invalid/team/shop")
    one = session("a", cwd=first)
    session("b", cwd=second)
    rows = one.peer("send", "@repo", "hello", "--json").json["messages"]
    assert [row["to"] for row in rows] == ["b"]


def test_all_reaches_every_session_and_no_shell(session: Sessions, person: Person) -> None:
    """@all is every session but the sender, whatever its repo; a person is reached by name only."""
    one, two, three = session("a"), session("b"), session("c")
    person.ok("up")
    one.ok("send", "@all", "freeze")
    assert two.unread() == three.unread() == ["freeze"]
    assert one.unread() == person.unread() == []
    one.ok("send", "pat", "for the person")
    assert "for the person" in person.ok("inbox")


def test_role_reaches_those_who_have_it(session: Sessions) -> None:
    """@role reaches who has the role, and one that nobody has is an error."""
    one, two, three = session("a"), session("b"), session("c")
    assert two.ok("role", "Reviewer", "frontend") == "@role:reviewer @role:frontend\n"
    one.ok("send", "@role:REVIEWER", "please look")
    assert two.unread() == ["please look"]
    assert three.unread() == []
    done = one.peer("send", "@role:cook", "soup")
    assert (done.code, done.out) == (3, "")
    assert "nobody else is in @role:cook" in done.err


def test_message_to_one_who_is_away(home: Home, session: Sessions) -> None:
    """It is safe at once, the words say so, and it is shown on return, also when the sender has ended."""
    one, two = session("a"), session("b")
    two.end()
    said = one.ok("send", "b", "while you were out")
    assert "safe for b, who is away and reads it on return" in said
    one.end()
    again = Session(home, "b", home.app, two.id)
    again.start("resume")
    assert "while you were out" in again.prompt()


def test_receipt_reaches_a_sender_who_was_away(home: Home, session: Sessions) -> None:
    """A sender who comes back learns that its message was shown meanwhile."""
    one, two = session("a"), session("b")
    ident = one.send("b", "are you there")
    one.end()
    assert "are you there" in two.turn()
    two.end()
    again = Session(home, "a", home.app, one.id)
    again.start("resume")
    until(lambda: again.state(ident) == "shown", "the receipt")


def test_reply_finds_the_sender(session: Sessions) -> None:
    """`peer reply` goes to who said it, marked with what it answers; the number alone is enough."""
    one, two = session("a"), session("b")
    ident = one.send("b", "shall I merge?")
    assert "safe with a" in two.ok("reply", ident.rpartition("-")[2], "Yes, merge it")
    said = one.prompt()
    assert f"from b@box (app) on {ident}" in said
    assert "> Yes, merge it" in said


def test_ask_prints_the_answer_once(session: Sessions) -> None:
    """`peer ask` prints the answer and exits 0; no hook shows it again, and the answerer sees it shown."""
    one, two = session("a"), session("b")
    asking = one.start_peer("ask", "b", "Is the migration done?", "--timeout", "20s")
    until(two.unread, "the question")
    assert "Answer: peer reply" in two.prompt()
    question = two.ask("inbox", all=True)["messages"][-1]["id"]
    answer = json.loads(two.ok("reply", question, "Yes, since noon", "--json"))["messages"][0]["id"]
    out, err = asking.communicate(timeout=20)
    assert (asking.returncode, err) == (0, b"")
    assert b"> Yes, since noon" in out
    assert "Yes, since noon" not in one.turn()
    until(lambda: two.state(answer) == "shown", "the receipt")


def test_person_asks_and_reads_the_answer(session: Sessions, person: Person) -> None:
    """A person's question is answered by a session, and --json gives the answer as values."""
    one = session("a")
    asking = person.start_peer("ask", "a", "How far are you?", "--json")
    until(one.unread, "the question")
    one.ok("reply", "1", "Nearly there")
    out, _ = asking.communicate(timeout=20)
    assert asking.returncode == 0
    assert (json.loads(out)["body"], json.loads(out)["kind"]) == ("Nearly there", "answer")
    assert person.ok("inbox") == "no new messages\n"


def test_ask_without_an_answer_in_time(session: Sessions) -> None:
    """After the timeout `peer ask` exits 4 with a sentence, and the answer comes as a message."""
    one, two = session("a"), session("b")
    done = one.peer("ask", "b", "Well?", "--timeout", "0.3s")
    assert (done.code, done.out) == (4, "")
    assert "no answer yet" in done.err
    assert "it will come as a message" in done.err
    two.ok("reply", "1", "Now it is")
    assert "> Now it is" in one.prompt()


def test_text_from_a_file_and_from_standard_input(home: Home, session: Sessions) -> None:
    """Text comes from arguments, a file or standard input, and arrives as it was."""
    one, two = session("a"), session("b")
    (home.app / "note.txt").write_text("from a file\n  indented\n")
    one.ok("send", "b", "--file", "note.txt")
    one.ok("send", "b", "-", stdin="from a pipe: äöü 🎈\n".encode())
    assert two.unread() == ["from a file\n  indented", "from a pipe: äöü 🎈"]
