Feature: Recursion
  A round is applied to what it has found itself, until nothing new comes.

  Background:
    @source(name=links, type=file, path="links.jsonl", contract=Hop@1, key=link)
    @source(name=parts, type=file, path="parts.jsonl", contract=Part@1, key=id)
    @source(name=hops, type=file, path="hops.jsonl", contract=Hop@1)
    @source(name=closed, type=file, path="closed.jsonl", contract=Closed@1, key=node)

  Scenario: What can be reached
    @step(name=Reached, from=hops)
      @do select a, b
      @do iterate keep for ever
      @do join hops on hops.a = Reached.b
      @do select Reached.a, hops.b
    @sink(type=blackhole)

    Examples: pairs come as soon as there is a way, and stay
      Given hops
        | link | a | b | cost |
        | 1    | 1 | 2 | 1    |
        | 2    | 3 | 4 | 1    |
      Then Reached is
        | a | b |
        | 1 | 2 |
        | 3 | 4 |
      Given hops
        | link | a | b | cost |
        | 3    | 2 | 3 | 1    |
        | 4    | 4 | 4 | 1    |
      Then Reached is
        | a | b |
        | 1 | 2 |
        | 1 | 3 |
        | 1 | 4 |
        | 2 | 3 |
        | 2 | 4 |
        | 3 | 4 |
        | 4 | 4 |

  Scenario: The least cost of a way
    @step(name=Cheapest, from=links)
      @do keep a = 1
      @do select b as node, cost
      @do iterate cost = min(cost) by node at most 50 rounds keep for ever
      @do join links on links.a = Cheapest.node
      @do select links.b as node, Cheapest.cost + links.cost as cost
      @do keep node <> 1
    @step(name=Far)
      @when cost >= 10
    @sink(type=blackhole)

    Examples: a shorter way comes and goes
      Given links
        | link | a | b | cost |
        | 1    | 1 | 2 | 10   |
        | 2    | 2 | 3 | 10   |
        | 3    | 3 | 1 | 1    |
      Then Cheapest is
        | node | cost |
        | 2    | 10   |
        | 3    | 20   |
      Given links
        | link | a | b | cost |
        | 4    | 1 | 3 | 3    |
        | 5    | 3 | 2 | 1    |
      Then Cheapest is
        | node | cost |
        | 2    | 4    |
        | 3    | 3    |
      And Far is empty
      When the worker crashes
      Given links
        | link | a | b | cost |
        | 4    | 1 | 9 | 3    |
      Then Cheapest is
        | node | cost |
        | 2    | 10   |
        | 3    | 20   |
        | 9    | 3    |
      And Far is
        | node |
        | 2    |
        | 3    |

  Scenario: A bill of materials
    How many of each part are in a whole, through all that it is made of.

    @step(name=Needed, from=parts)
      @do select whole, part, pieces
      @do iterate pieces = sum(pieces) by whole, part keep for ever
      @do join parts on parts.whole = Needed.part
      @do select Needed.whole, parts.part, Needed.pieces * parts.pieces as pieces
    @sink(type=blackhole)

    Examples: a change deep down changes all wholes
      Given parts
        | id | whole | part  | pieces |
        | 1  | bike  | wheel | 2      |
        | 2  | wheel | spoke | 30     |
        | 3  | bike  | frame | 1      |
        | 4  | frame | screw | 4      |
        | 5  | wheel | screw | 1      |
      Then Needed is
        | whole | part  | pieces |
        | bike  | wheel | 2      |
        | bike  | frame | 1      |
        | bike  | spoke | 60     |
        | bike  | screw | 6      |
        | wheel | spoke | 30     |
        | wheel | screw | 1      |
        | frame | screw | 4      |
      When the worker crashes
      Given parts
        | id | whole | part  | pieces |
        | 2  | wheel | spoke | 36     |
        | 5  | wheel | tyre  | 1      |
      Then Needed is
        | whole | part  | pieces |
        | bike  | wheel | 2      |
        | bike  | frame | 1      |
        | bike  | spoke | 72     |
        | bike  | screw | 4      |
        | bike  | tyre  | 2      |
        | wheel | spoke | 36     |
        | wheel | tyre  | 1      |
        | frame | screw | 4      |

  Scenario: Ways around what is closed
    @step(name=Open, from=links)
      @do keep a = 1
      @do select b as node, 1 as hops
      @do iterate hops = min(hops), ways = count(*) by node keep for ever
      @do anti join closed on closed.node = Open.node
      @do left join links on links.a = Open.node
      @do select coalesce(links.b, 0) as node, case when links.b is null then 0 else hops + 1 end as hops
    @sink(type=blackhole)

    Examples: rows that meet none, and rows that must not
      Given links
        | link | a | b | cost |
        | 1    | 1 | 2 | 1    |
        | 2    | 2 | 3 | 1    |
        | 3    | 3 | 4 | 1    |
      Then Open is
        | node | hops | ways |
        | 2    | 1    | 1    |
        | 3    | 2    | 1    |
        | 4    | 3    | 1    |
        | 0    | 0    | 2    |
      Given closed
        | node |
        | 3    |
      Then Open is
        | node | hops | ways |
        | 2    | 1    | 1    |
        | 3    | 2    | 1    |

  Scenario: What cannot be computed
    @step(name=Halves, from=hops)
      @do select a, b
      @do iterate keep for ever
      @do select a, b / (b - a) as b
      @do keep b > 0
    @sink(type=blackhole)

    Examples: a row of the fixed point that a round cannot use is rejected, once
      Given hops
        | link | a | b | cost |
        | 1    | 3 | 3 | 1    |
        | 2    | 2 | 4 | 1    |
      Then Halves is
        | a | b |
        | 3 | 3 |
        | 2 | 4 |
        | 2 | 2 |
      And rejected is
        | reason     | step   |
        | expression | Halves |
        | expression | Halves |
      When the worker crashes
      Given hops
        | link | a | b | cost |
        | 3    | 1 | 9 | 1    |
      Then rejected contains
        | reason     | step   | row              |
        | expression | Halves | {"a": 1, "b": 1} |

Contract: Hop version 1
  | field | type  | rules    |
  | link  | int64 | required |
  | a     | int64 | required |
  | b     | int64 | required |
  | cost  | int64 |          |

Contract: Part version 1
  | field  | type   | rules    |
  | id     | int64  | required |
  | whole  | string | required |
  | part   | string | required |
  | pieces | int64  | required |

Contract: Closed version 1
  | field | type  | rules    |
  | node  | int64 | required |
