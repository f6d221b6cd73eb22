Feature: Orders
  @requires(memory=64mb, after=5sec, wait=10x, since=99999999999999999999d, count=99999999999999999999)
