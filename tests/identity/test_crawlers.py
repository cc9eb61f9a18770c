"""Programs told from people by their User-Agent; strings as they are sent."""

from __future__ import annotations

import pytest

from kmproxy.identity.crawlers import is_crawler

_CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_ANDROID = "Mozilla/5.0 (Linux; Android 13; SM-G991B) AppleWebKit/537.36 (KHTML, like Gecko)"

PEOPLE = [
    f"{_CHROME} Safari/537.36",
    f"{_CHROME} Safari/537.36 Edg/126.0.0.0",
    f"{_CHROME} Safari/537.36 OPR/111.0.0.0",
    f"{_CHROME} Safari/537.36 Vivaldi/6.8",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/17.5 Safari/605.1.15",
    f"{_IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
    f"{_IPHONE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
    f"{_IPHONE} GSA/322.0.645708543 Mobile/15E148 Safari/604.1",
    f"{_ANDROID} Chrome/126.0.0.0 Mobile Safari/537.36",
    f"{_ANDROID} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)",
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)",
    "Mozilla/5.0 (compatible; Konqueror/4.5; Linux) KHTML/4.5.4 (like Gecko)",
    "Opera/9.80 (Windows NT 6.1; U; en) Presto/2.10.229 Version/11.64",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; Opera Mobi/23.348; U; en) Presto/2.5.25",
    "UCWEB/2.0 (Java; U; MIDP-2.0; Nokia203/20.37) U2/1.0.0 UCBrowser/8.7.0.218 U2/1.0.0 Mobile",
    "BlackBerry9000/4.6.0.167 Profile/MIDP-2.0 Configuration/CLDC-1.1 VendorID/102",
    "SonyEricssonW995/R1EA Profile/MIDP-2.1 Configuration/CLDC-1.1 UNTRUSTED/1.0",
    "Lynx/2.8.9rel.1 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/1.1.1d",
    "w3m/0.5.3+git20210102",
    "ELinks/0.13.2 (textmode; Linux 5.10; 80x24-2)",
    # Within apps
    f"{_IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/469.0.0.38.109;FBBV/613145;FBDV/iPhone14,5;FBLC/en_US]",
    f"{_ANDROID} Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/469.0.0.51.80;]",
    f"{_IPHONE} Mobile/15E148 Instagram 336.0.0.18.108 (iPhone14,5; iOS 17_5; en_US; scale=3.00)",
    f"{_IPHONE} Mobile/15E148 [LinkedInApp]/9.29.8017",
    f"{_IPHONE} Mobile/15E148 Safari Line/14.9.0",
    f"{_IPHONE} Mobile/15E148 [Pinterest/iOS]",
    f"{_IPHONE} Mobile/15E148 Twitter for iPhone/10.48",
    f"{_IPHONE} Mobile/15E148 MicroMessenger/8.0.49(0x1800312f) NetType/WIFI Language/en",
    f"{_IPHONE} Mobile/15E148 Snapchat/12.92.0.40 (like Safari/8618.2.12.10.9, panda)",
    f"{_IPHONE} Mobile/15E148 NAVER(inapp; search; 1000; 11.8.2; 13)",
    f"{_ANDROID} Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36 BuzzFeed/2024.6",
    "Mozilla/5.0 (Linux; arm_64; Android 12; M2101K7AG) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/124.0.0.0 YaApp_Android/24.52 YaSearchBrowser/24.52 BroPP/1.0 SA/3 Mobile Safari/537.36",
    # Phones by a maker of the name Cubot
    "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/88.0.4324.93 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/94.0.4606.61 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 8.1.0; Cubot_Nova Build/O11019) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Version/4.0 Chrome/68.0.3440.91 Mobile Safari/537.36",
]

PROGRAMS = [
    "",
    "-",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    f"{_ANDROID} Chrome/126.0.0.0 Mobile Safari/537.36"
    " (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
    f"{_CHROME} Safari/537.36 (compatible; GoogleOther)",
    "Mediapartners-Google",
    "AdsBot-Google (+http://www.google.com/adsbot.html)",
    "APIs-Google (+https://developers.google.com/webmasters/APIs-Google.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    f"{_CHROME} Safari/537.36 BingPreview/1.0b",
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; YandexMetrika/2.0; +http://yandex.com/bots yabs01)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Perplexity-User/1.0;"
    " +https://perplexity.ai/perplexity-user)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Claude-User/1.0;"
    " +Claude-User@anthropic.com)",
    "CCBot/2.0 (https://commoncrawl.org/faq/)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
    "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36"
    " (compatible; Bytespider; spider-feedback@bytedance.com)",
    "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
    "ia_archiver (+http://www.alexa.com/site/help/webmasters; crawler@alexa.com)",
    # Fetchers of link previews
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko)"
    " Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "Twitterbot/1.0",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "Mozilla/5.0 (compatible; Embedly/0.2; +http://support.embed.ly/)",
    "Pinterest/0.2 (+http://www.pinterest.com/bot.html)",
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 16 subscribers)",
    "Mozilla/5.0 (compatible; FeedValidator/1.3)",
    # Monitors and measurements
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0"
    " Safari/537.36",
    f"{_ANDROID} Chrome/126.0.0.0 Mobile Safari/537.36 Chrome-Lighthouse",
    f"{_CHROME} Safari/537.36 PTST/240601.1",
    f"{_CHROME} Safari/537.36 GTmetrix",
    "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
    "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
    # HTTP libraries and tools
    "curl/8.5.0",
    "Wget/1.21.4",
    "python-requests/2.32.3",
    "Python/3.11 aiohttp/3.14.4",
    "Java/17.0.1",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "Apache-HttpClient/4.5.14 (Java/17.0.1)",
    "libwww-perl/6.67",
    "axios/1.7.2",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "PostmanRuntime/7.39.0",
    "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.4522",
    "Mozilla/4.5 (compatible; HTTrack 3.0x; Windows 98)",
    "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
    "MyApp/1 CFNetwork/1494.0.7 Darwin/23.4.0",
    "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B)",
]


@pytest.mark.parametrize("user_agent", PEOPLE)
def test_a_person_is_no_crawler(user_agent: str) -> None:
    assert not is_crawler(user_agent.encode())


@pytest.mark.parametrize("user_agent", PROGRAMS)
def test_a_program_is_a_crawler(user_agent: str) -> None:
    assert is_crawler(user_agent.encode())


def test_any_bytes_are_judged() -> None:
    assert is_crawler(b"\xff\xfe")
    assert not is_crawler(b"Mozilla/5.0 \xff")
