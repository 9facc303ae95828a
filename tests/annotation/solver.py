"""A simulated annotator: logs in as a person does, asks for the next task and answers it, over HTTP."""

import re

import httpx


class Solver:
    """One logged-in annotator in one project."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False, follow_redirects=False)
        page = self.http.get("/user/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
        answer = self.http.post(
            "/user/login/",
            data={"email": email, "password": password, "csrfmiddlewaretoken": token},
            headers={"Referer": f"{url}/user/login/"},
        )
        assert answer.status_code == 302, answer.status_code
        self.headers = {"X-CSRFToken": self.http.cookies.get("csrftoken", "")}

    def projects(self, identity: str = "") -> list[int]:
        """Returns the annotator's projects; of one dataset where its journal's identity is given."""
        found = self.http.get("/api/projects/?page_size=100").json()["results"]
        return [int(item["id"]) for item in found if identity in item["title"]]

    def next(self, project: int) -> dict | None:
        answer = self.http.get(f"/api/projects/{project}/next")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return answer.json()

    def open_tasks(self, project: int) -> list[dict]:
        """Returns what is still to be answered, as the list of tasks shows it."""
        page = self.http.get(f"/api/tasks/?project={project}&fields=all&page_size=1000")
        assert page.status_code == 200, page.text
        return [task for task in page.json()["tasks"] if not task["annotations"]]

    def post(self, project: int, task: int, body: dict) -> httpx.Response:
        return self.http.post(f"/api/tasks/{task}/annotations/?project={project}", json=body, headers=self.headers)

    def answer(self, project: int, task: int, body: dict) -> int:
        answer = self.post(project, task, body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def close(self) -> None:
        self.http.close()


def valid(number: object, note: str | None = None) -> dict:
    """Returns what the browser sends for a number."""
    result = [
        {"from_name": "verdict", "to_name": "question", "type": "choices", "value": {"choices": ["valid"]}},
        {"from_name": "answer", "to_name": "question", "type": "number", "value": {"number": number}},
    ]
    if note is not None:
        result.append({"from_name": "note", "to_name": "question", "type": "textarea", "value": {"text": [note]}})
    return {"result": result, "lead_time": 12.5}


def other(verdict: str) -> dict:
    """Returns what the browser sends for a verdict without a number."""
    item = {"from_name": "verdict", "to_name": "question", "type": "choices", "value": {"choices": [verdict]}}
    return {"result": [item], "lead_time": 4.0}


def skip() -> dict:
    return {"result": [], "was_cancelled": True, "lead_time": 1.0}
