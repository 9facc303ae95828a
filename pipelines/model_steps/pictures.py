"""What models say of pictures: whether they are worth asking about, what is in them, how single things look."""

from functools import partial

from pipelines.asking import Asker, drop_of
from pipelines.domains import domain_of
from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from pipelines.scene_reader import by_image
from schemas.image import Image
from schemas.instance import Instance
from schemas.look import Look
from schemas.model_reply import ModelReply
from schemas.model_request import ModelRole
from schemas.named_category import NamedCategory
from schemas.screening import Screening
from stages.identify import Identified, ask_identify, check_named, read_identify
from stages.look import ask_look, groups_of, read_look
from stages.parsing.reply import Unreadable
from stages.screen import ScreenReply, ask_screen, needs_fine, read_screen, screen

Answered = tuple[ModelReply, ScreenReply | Unreadable]


def screen_images(job: Job) -> Outcome:
    """Images to those worth asking about: a cheap model first, a strong one for what it lets through and an audit."""
    ledger = Ledger(job.stage)
    asker, config = Asker(job, ledger), job.config.screen
    images = list(job.records("admit/images", Image))
    ledger.take("images", len(images))
    coarse = _ask_screen(asker, job, images, ModelRole.SOLVER) if config.coarse else {}
    first = {name: said for name, (_, said) in coarse.items()}
    chosen = [one for one in images if needs_fine(first.get(one.image_id), one.image_id, config, job.seed)]
    fine = _ask_screen(asker, job, chosen, ModelRole.GENERATOR)
    kept: list[Image] = []
    rows: list[Screening] = []
    for image in images:
        last = fine.get(image.image_id) or coarse.get(image.image_id)
        if last is not None and asker.is_outage(last[0], image.image_id):
            ledger.fail("images")
            continue
        said = fine.get(image.image_id)
        row, drop = screen(image, first.get(image.image_id), None if said is None else said[1], config)
        rows.append(row)
        if drop is None:
            ledger.keep("images")
            kept.append(image)
        else:
            ledger.drop("images", [drop])
    return job.finish(ledger, {"rich": kept, "screenings": rows, "replies": list(asker.replies.values())})


def _ask_screen(asker: Asker, job: Job, images: list[Image], role: ModelRole) -> dict[str, Answered]:
    domain = domain_of(job.config)
    found = asker.read([ask_screen(image, role, domain) for image in images], [read_screen] * len(images))
    return {image.image_id: answered for image, answered in zip(images, found, strict=True)}


def identify_images(job: Job) -> Outcome:
    """Images to the kinds of things a model sees there, checked against what segmenting found."""
    ledger = Ledger(job.stage)
    asker, domain = Asker(job, ledger), domain_of(job.config)
    instances = by_image(job.records("segment/segments", Instance))
    images = [image for image in job.images() if image.image_id in instances]
    readers = [partial(read_identify, image.image_id, domain=domain, config=job.config.identify) for image in images]
    answers = asker.read([ask_identify(image, domain) for image in images], readers)
    rows: list[NamedCategory] = []
    for image, (reply, said) in zip(images, answers, strict=True):
        ledger.take("images")
        if asker.is_outage(reply, image.image_id):
            ledger.fail("images")
        elif isinstance(said, Unreadable):
            ledger.drop("images", [drop_of(job.stage, (f"{image.image_id}:named", image.image_id), said)])
        else:
            ledger.keep("images")
            rows += _keep_named(ledger, said, instances[image.image_id])
    return job.finish(ledger, {"named": rows, "replies": list(asker.replies.values())})


def _keep_named(ledger: Ledger, said: Identified, instances: list[Instance]) -> tuple[NamedCategory, ...]:
    kept, gone = check_named(said.categories, instances)
    ledger.take("names", len(said.categories) + len(said.drops))
    ledger.keep("names", len(kept))
    ledger.drop("names", [*said.drops, *gone])
    return kept


def look_at_instances(job: Job) -> Outcome:
    """Instances to what a model says of their looks, each statement checked against what code measured."""
    ledger = Ledger(job.stage)
    asker, domain, config = Asker(job, ledger), domain_of(job.config), job.config.look
    instances = by_image(job.records("describe/instances", Instance))
    groups = [
        (image, group)
        for image in job.images()
        for group in groups_of(instances.get(image.image_id, ()), domain, config)
    ]
    requests = [ask_look(group, (image.width, image.height), domain) for image, group in groups]
    readers = [partial(read_look, members=group, domain=domain, config=config) for _, group in groups]
    rows: list[Look] = []
    for (image, group), (reply, said) in zip(groups, asker.read(requests, readers), strict=True):
        name = f"{image.image_id}:look:{group[0].instance_id}"
        ledger.take("groups")
        if asker.is_outage(reply, name):
            ledger.fail("groups")
        elif isinstance(said, Unreadable):
            ledger.drop("groups", [drop_of(job.stage, (name, image.image_id), said)])
        else:
            ledger.keep("groups")
            ledger.take("attributes", len(said.looks) + len(said.drops))
            ledger.keep("attributes", len(said.looks))
            ledger.drop("attributes", said.drops)
            rows += said.looks
    return job.finish(ledger, {"looks": rows, "replies": list(asker.replies.values())})
