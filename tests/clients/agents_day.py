"""An agent's day with the Python SDK (PyPI chatwoot-sdk), against the server that the environment names.

The story in tests/it/clients.rs plays the customer meanwhile: Ada has written "Order", Grace "Invoice" with a file; Ada answers the reply.
What the SDK cannot do at Chatwoot either is told in docs/COMPATIBILITY.md, and stands here as it is.
"""

import asyncio
import os
import time

import pydantic
from chatwoot import (
    AsyncChatwootClient,
    ChatwootClient,
)
from chatwoot.exceptions import (
    ChatwootAPIError,
    ChatwootAuthError,
    ChatwootNotFoundError,
    ChatwootPermissionError,
)

BASE = os.environ["POSTROOM_URL"]
TOKEN = os.environ["POSTROOM_TOKEN"]
AGENT_TOKEN = os.environ["POSTROOM_AGENT_TOKEN"]
ACCOUNT = int(os.environ["POSTROOM_ACCOUNT"])
PATIENCE = 100


def eventually(what, holds):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


def refused(kind, call, *arguments, **named):
    try:
        answer = call(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"{call.__qualname__} was not refused: {answer}")


def about_people(client, me):
    assert me.role == "administrator" and me.account_id == ACCOUNT and me.confirmed
    assert [account.id for account in me.accounts] == [ACCOUNT]
    assert me.accounts[0].role == "administrator"

    bea = client.agents.add(ACCOUNT, name="Bea", email="bea@contoso.example", role="agent", password="a long password 1")
    assert bea.account_id == ACCOUNT and bea.role == "agent"
    assert client.agents.update(ACCOUNT, bea.id, availability="busy").availability_status == "busy"
    assert sorted(agent.email for agent in client.agents.list(ACCOUNT)) == sorted([me.email, "bea@contoso.example", "cleo@contoso.example"])
    return bea


def about_inboxes(client, me, bea):
    (inbox,) = client.inboxes.list(ACCOUNT)
    assert inbox.channel_type == "Channel::Email"
    assert client.inboxes.get(ACCOUNT, inbox.id) == inbox
    changed = client.inboxes.update(ACCOUNT, inbox.id, name="Support desk", greeting_enabled=True, greeting_message="Hello")
    assert (changed.name, changed.greeting_enabled, changed.greeting_message) == ("Support desk", True, "Hello")
    # The SDK takes the wrapper off and then looks for it, so its lists of members are always empty. What it asked for is done.
    members = lambda: {one["id"] for one in client._http.get(f"/api/v1/accounts/{ACCOUNT}/inbox_members/{inbox.id}")}
    client.inboxes.agents.update(ACCOUNT, inbox.id, [me.id])
    assert members() == {me.id}
    client.inboxes.agents.add(ACCOUNT, inbox.id, [bea.id])
    assert members() == {me.id, bea.id}
    client.inboxes.agents.remove(ACCOUNT, inbox.id, [me.id])
    assert members() == {bea.id}
    return inbox


def about_teams(client, me, bea):
    team = client.teams.create(ACCOUNT, name="billing", description="Money", allow_auto_assign=False)
    assert (team.name, team.description, team.allow_auto_assign, team.is_member) == ("billing", "Money", False, False)
    client.teams.agents.add(ACCOUNT, team.id, [me.id, bea.id])
    assert {agent.id for agent in client.teams.agents.list(ACCOUNT, team.id)} == {me.id, bea.id}
    client.teams.agents.remove(ACCOUNT, team.id, [me.id])
    assert [agent.id for agent in client.teams.agents.list(ACCOUNT, team.id)] == [bea.id]
    assert client.teams.update(ACCOUNT, team.id, description="All money").description == "All money"
    assert client.teams.get(ACCOUNT, team.id) in client.teams.list(ACCOUNT)
    doomed = client.teams.create(ACCOUNT, name="doomed")
    client.teams.delete(ACCOUNT, doomed.id)
    assert doomed.id not in [one.id for one in client.teams.list(ACCOUNT)]
    return team


def about_contacts(client, inbox):
    by_name = {contact.email: contact for contact in client.contacts.list(ACCOUNT)}
    assert {"ada@customer.example", "grace@navy.example"} <= set(by_name)
    ada = client.contacts.get(ACCOUNT, by_name["ada@customer.example"].id)
    assert ada.name == "Ada" and ada.last_activity_at is not None and ada.created_at is not None
    # The search index follows by some seconds.
    found = eventually("Grace is found", lambda: [one.id for one in client.contacts.search(ACCOUNT, "grace")])
    assert found == [by_name["grace@navy.example"].id]
    assert len(client.contacts.conversations(ACCOUNT, ada.id)) == 1

    made = client.contacts.create(ACCOUNT, inbox_id=inbox.id, name="Alan", email="alan@bletchley.example", phone_number="+15550100")
    assert made.contact.email == made.contact_inbox.source_id == "alan@bletchley.example"
    alan = client.contacts.update(ACCOUNT, made.contact.id, name="Alan Turing", custom_attributes={"plan": "premium"})
    assert alan.name == "Alan Turing" and alan.custom_attributes == {"plan": "premium"}
    assert sorted(client.contacts.labels.add(ACCOUNT, alan.id, ["vip", "late"])) == ["late", "vip"]
    assert client.contacts.labels.add(ACCOUNT, alan.id, ["vip"]) == client.contacts.labels.list(ACCOUNT, alan.id) == ["vip"]
    (way,) = client.contacts.contactable_inboxes(ACCOUNT, alan.id)
    assert (way["source_id"], way["inbox"]["id"]) == ("alan@bletchley.example", inbox.id)

    twin = client.contacts.create(ACCOUNT, inbox_id=inbox.id, name="A. Turing", email="turing@bletchley.example").contact
    assert client.contacts.merge(ACCOUNT, alan.id, twin.id).id == alan.id
    refused(ChatwootNotFoundError, client.contacts.get, ACCOUNT, twin.id)
    doomed = client.contacts.create(ACCOUNT, inbox_id=inbox.id, name="Nobody").contact
    client.contacts.delete(ACCOUNT, doomed.id)
    refused(ChatwootNotFoundError, client.contacts.get, ACCOUNT, doomed.id)
    return alan


def about_conversations(client, me, bea, inbox, team, alan):
    listed = client.conversations.list(ACCOUNT)
    assert {one.meta.sender.email for one in listed} == {"ada@customer.example", "grace@navy.example"}
    assert all(one.inbox_id == inbox.id and one.unread_count == 1 and one.can_reply for one in listed)
    assert client.conversations.get_counts(ACCOUNT) == {"meta": {"mine_count": 0, "assigned_count": 0, "unassigned_count": 2, "all_count": 2}}
    order = next(one.id for one in listed if one.additional_attributes["mail_subject"] == "Order")
    invoice = next(one.id for one in listed if one.id != order)
    conversation = client.conversations.get(ACCOUNT, order)
    assert conversation.status == "open" and conversation.messages[0]["content"].strip() == "one"

    # A note first, then an answer that leaves; Ada answers it.
    note = client.messages.create(ACCOUNT, order, "She is right, see the order.", private=True)
    assert note.private and note.message_type == 1 and note.sender.id == me.id
    answer = client.messages.create(ACCOUNT, order, "It left **yesterday**.", cc_emails=["boss@customer.example"], echo_id="e1")
    assert not answer.private and answer.conversation_id == order and answer.inbox_id == inbox.id
    eventually("Ada has answered", lambda: client.conversations.get(ACCOUNT, order).messages[-1]["content"].startswith("Thank you"))
    # Its list of content types knows no mail: it reads a conversation's messages only where no mail came in, at Chatwoot as here.
    error = refused(pydantic.ValidationError, client.messages.list, ACCOUNT, order)
    assert {(one["loc"], one["input"]) for one in error.errors()} == {(("content_type",), "incoming_email")}, error

    # Sorting it.
    assert sorted(client.conversations.labels.add(ACCOUNT, order, ["vip", "billing"])) == ["billing", "vip"]
    assert sorted(client.conversations.labels.list(ACCOUNT, order)) == ["billing", "vip"]
    assert client.conversations.assign(ACCOUNT, order, bea.id).meta.assignee.id == bea.id
    updated = client.conversations.update(ACCOUNT, order, team_id=team.id, priority="high")
    assert (updated.meta.team.id, updated.priority, updated.meta.assignee.id) == (team.id, "high", bea.id)
    assert [one.id for one in client.conversations.list(ACCOUNT, labels=["vip", "nothing"])] == [order]
    assert [one.id for one in client.conversations.list(ACCOUNT, team_id=team.id, inbox_id=inbox.id)] == [order]
    assert [one.id for one in client.conversations.list(ACCOUNT, assignee_type="unassigned")] == [invoice]
    assert client.conversations.list(ACCOUNT, assignee_type="me") == []

    # Putting it off and being done with it.
    for status in ("snoozed", "open", "pending", "resolved"):
        toggled = client.conversations.toggle_status(ACCOUNT, order, status)
        assert toggled.success and toggled.current_status == status
        assert order in [one.id for one in client.conversations.list(ACCOUNT, status=status)], status
    assert client.conversations.update(ACCOUNT, order, status="open").status == "open"
    client.conversations.toggle_status(ACCOUNT, order, "resolved")

    # Beginning one.
    begun = client.conversations.create(
        ACCOUNT, source_id="alan@bletchley.example", inbox_id=inbox.id, contact_id=alan.id, additional_attributes={"mail_subject": "Your machine"}
    )
    assert begun.meta.sender.id == alan.id and begun.status == "open"
    first = client.messages.create(ACCOUNT, begun.id, "Is it running?")
    eventually("it has left", lambda: client.messages.list(ACCOUNT, begun.id)[-1].status != "progress")
    (said,) = [message for message in client.messages.list(ACCOUNT, begun.id) if message.message_type == 1]
    assert said.id == first.id and said.content == "Is it running?"
    return order, invoice


def about_refusals(client, inbox, order):
    with ChatwootClient(base_url=BASE, api_token="wrong") as stranger:
        refused(ChatwootAuthError, stranger.profile.get)
    # An agent who is in no inbox: not theirs to change, and not theirs to see.
    with ChatwootClient(base_url=BASE, api_token=AGENT_TOKEN) as cleo:
        assert cleo.profile.get().role == "agent"
        refused(ChatwootPermissionError, cleo.agents.add, ACCOUNT, name="Eve", email="eve@contoso.example", role="agent")
        refused(ChatwootNotFoundError, cleo.conversations.get, ACCOUNT, order)
        assert cleo.conversations.list(ACCOUNT, status="all") == [] and cleo.inboxes.list(ACCOUNT) == []
    # Paths of the SDK that Chatwoot has not.
    assert refused(ChatwootAPIError, client.agents.get, ACCOUNT, 1).status_code == 405
    refused(ChatwootNotFoundError, client.messages.update, ACCOUNT, 1, "x")
    refused(ChatwootNotFoundError, client.messages.delete, ACCOUNT, 1)
    # Channels and bots that Postroom has not.
    assert refused(ChatwootAPIError, client.inboxes.create, ACCOUNT, "Chat", "api").status_code == 405
    refused(ChatwootNotFoundError, client.inboxes.get_agent_bot, ACCOUNT, inbox.id)


async def at_once(order, invoice):
    async with AsyncChatwootClient(base_url=BASE, api_token=TOKEN) as client:
        me, agents, conversations, contacts, inboxes, teams = await asyncio.gather(
            client.profile.get(),
            client.agents.list(ACCOUNT),
            client.conversations.list(ACCOUNT, status="all"),
            client.contacts.list(ACCOUNT),
            client.inboxes.list(ACCOUNT),
            client.teams.list(ACCOUNT),
        )
        assert {order, invoice} <= {one.id for one in conversations}
        assert me.id in {agent.id for agent in agents} and contacts and inboxes and teams
        notes = await asyncio.gather(*(client.messages.create(ACCOUNT, invoice, f"note {n}", private=True) for n in range(5)))
        assert len({note.id for note in notes}) == 5


def day():
    with ChatwootClient(base_url=BASE, api_token=TOKEN) as client:
        me = client.profile.get()
        bea = about_people(client, me)
        inbox = about_inboxes(client, me, bea)
        team = about_teams(client, me, bea)
        alan = about_contacts(client, inbox)
        order, invoice = about_conversations(client, me, bea, inbox, team, alan)
        about_refusals(client, inbox, order)
        asyncio.run(at_once(order, invoice))
        client.teams.delete(ACCOUNT, team.id)
        client.agents.remove(ACCOUNT, bea.id)
        assert bea.id not in [agent.id for agent in client.agents.list(ACCOUNT)]


day()
print("done")
